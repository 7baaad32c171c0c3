"""What makes networks run faster, and what it leaves alone."""

import threading

import pytest
import torch
from bodies import Backwards
from torch import nn

from phosphene.pipeline.backbones.backbone import keep_memory
from phosphene.pipeline.backbones.frozen import fold_batch_norms, one_thread


def test_one_thread_holds_in_the_thread_that_asks_and_no_longer_than_asked():
    before, seen, other = torch.get_num_threads(), [], []

    def alone():
        with one_thread():
            seen.append(torch.get_num_threads())
            beside = threading.Thread(target=lambda: other.append(torch.get_num_threads()))
            beside.start()
            beside.join()
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=alone)
    thread.start()
    thread.join()
    assert seen == [1, before]
    assert other == [before]
    assert torch.get_num_threads() == before


def test_memory_is_not_kept_against_the_users_will(monkeypatch):
    monkeypatch.setenv("PHOSPHENE_KEEP_MEMORY", "0")
    assert keep_memory.__wrapped__() is False


def test_a_folded_body_answers_as_before_and_leaves_the_body_alone():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    body[1].running_mean += 1
    image = torch.rand(1, 3, 16, 16)
    folded = fold_batch_norms(body, size=16)
    assert isinstance(body[1], nn.BatchNorm2d)
    assert not isinstance(folded[1], nn.BatchNorm2d)
    with torch.inference_mode():
        assert folded(image).numpy() == pytest.approx(body(image).numpy(), abs=1e-6)


def test_a_body_whose_parts_run_in_another_order_is_returned_itself():
    body = Backwards()
    assert fold_batch_norms(body, size=8) is body
