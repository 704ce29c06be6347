import numpy as np
from threadpoolctl import threadpool_info

from maskweave.ops.blas import single_threaded_blas


def threads():
    """Of NumPy's own matrix library; others may be loaded at any time."""
    return [
        library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas" and "numpy" in library["filepath"]
    ]


def test_products_stay_in_their_thread_inside_the_block_only():
    before = threads()
    with single_threaded_blas():
        assert set(threads()) <= {1}
        np.testing.assert_allclose(np.eye(300) @ np.ones((300, 300)), 1)
    assert threads() == before
