"""Protects the PyTorch dataset, where PyTorch is installed: workers and ranks share the rows."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tolerant.torch  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402


def test_batches_are_tensors_of_the_values(packed, plain):
    dataset = tolerant.torch.IterableDataset(packed, ["walk", "vector", "flag"], batch_rows=1000)
    found = list(dataset)
    assert found[0]["walk"].dtype == torch.float32 and found[0]["flag"].dtype == torch.bool
    assert found[0]["vector"].shape == (1000, 2)
    walk = torch.cat([batch["walk"] for batch in found]).numpy()
    np.testing.assert_array_equal(walk, plain["walk"].to_numpy())


def test_tensors_in_order_share_the_decoded_memory(packed):
    first, second = list(tolerant.torch.IterableDataset(packed, ["ramp"], batch_rows=100))[:2]
    assert second["ramp"].data_ptr() - first["ramp"].data_ptr() == 400


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_share_the_rows(packed, context):
    dataset = tolerant.torch.IterableDataset(
        packed, ["id"], shuffle=True, shuffle_rows=10_000, batch_rows=1000
    )
    # Its threads exist by now; a forked worker must do without them.
    assert len(list(dataset)) == 200
    loader = DataLoader(dataset, batch_size=None, num_workers=3, multiprocessing_context=context,
                        persistent_workers=True, timeout=100)
    first = torch.cat([batch["id"] for batch in loader])
    assert torch.equal(first.sort().values, torch.arange(200_000))
    assert torch.equal(first, torch.cat([batch["id"] for batch in loader]))
    dataset.set_epoch(1)
    second = torch.cat([batch["id"] for batch in loader])
    assert torch.equal(second.sort().values, torch.arange(200_000))
    assert not torch.equal(first, second)


def test_ranks_and_workers_share_the_rows(packed):
    parts, batches = [], []
    for rank in range(3):
        dataset = tolerant.torch.IterableDataset(packed, ["id"], shuffle=True, rank=rank, world_size=3)
        found = list(DataLoader(dataset, batch_size=None, num_workers=2, timeout=100))
        batches.append(len(found))
        parts.append(torch.cat([batch["id"] for batch in found]))
    assert len(set(batches)) == 1
    together = torch.cat(parts)
    assert len(together.unique()) == len(together) == 3 * (200_000 // 3)


def test_times_have_no_tensors(packed):
    with pytest.raises(ValueError, match="'when' is datetime64"):
        next(iter(tolerant.torch.IterableDataset(packed, ["when"])))


def test_a_model_learns_from_it(packed):
    dataset = tolerant.torch.IterableDataset(
        packed, {"x": ["ramp", "walk"], "y": "ramp"}, shuffle=True, batch_rows=4096
    )
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for epoch in range(3):
        dataset.set_epoch(epoch)
        for batch in DataLoader(dataset, batch_size=None):
            x = batch["x"] / torch.tensor([1.0, 1000.0])
            loss = ((model(x)[:, 0] - batch["y"]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < 0.01 < losses[0]
