def decode(container, sampling_rate, num_frames, clip_idx=-1, num_clips_uniform=10, **others):
    raise TypeError("unsupported operand")
