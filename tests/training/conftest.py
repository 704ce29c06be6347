import pytest

from tests.training.drawn import draw_data_set


@pytest.fixture(scope="session")
def torch():
    """Torch with one thread: small networks are faster so, and results do not depend on the machine's cores."""
    module = pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")
    module.set_num_threads(1)
    return module


@pytest.fixture
def settings(torch, tmp_path):
    """Settings of a run that takes a second."""
    path = draw_data_set(tmp_path / "data")
    return {
        "annotations": path,
        "images": path.parent / "images",
        "output": tmp_path / "run",
        "size": 96,
        "start_size": 96,
        "batch_size": 4,
        "workers": 0,
        "epochs": 4,
        "warmup_steps": 2,
        "optimizer": "adamw",  # three times as fast as muon on batches this small
        "precision": "fp32",
        "device": "cpu",
        "threads": 1,
    }


@pytest.fixture(scope="session")
def trained(torch, tmp_path_factory):
    """A run of seconds from the built-in weights on eight drawn images, after which it knows their shapes."""
    from tests.training.learned import learn_shapes

    return learn_shapes(tmp_path_factory.mktemp("trained"))
