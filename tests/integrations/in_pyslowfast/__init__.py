"""Programs that run with a checkout of PySlowFast on PYTHONPATH; test_pyslowfast_itself.py starts them."""
