def get_video_container(path_to_vid, multi_thread_decode=False, backend="pyav"):
    raise RuntimeError("the reader is gone")
