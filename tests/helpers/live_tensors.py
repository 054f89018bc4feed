"""How many bytes of tensors were alive at once."""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class LiveTensors(TorchDispatchMode):
    """Counts the storages that operations made within it; ``peak`` is the most at once, in bytes."""

    def __init__(self):
        super().__init__()
        self.peak, self._now, self._users = 0, 0, {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        given = {self._place(each) for each in (*args, *(kwargs or {}).values())}
        results = function(*args, **(kwargs or {}))
        for result in results if isinstance(results, (tuple, list)) else (results,):
            if isinstance(result, torch.Tensor):
                self._seen(result, given)
        return results

    def _seen(self, result, given):
        place = self._place(result)
        if place not in self._users:
            if place in given:  # a view of what was there before
                return
            self._users[place] = [0, result.untyped_storage().nbytes()]
            self._now += self._users[place][1]
            self.peak = max(self.peak, self._now)
        self._users[place][0] += 1
        weakref.finalize(result, self._gone, place)

    def _gone(self, place):
        users = self._users[place]
        users[0] -= 1
        if not users[0]:
            self._now -= users[1]
            del self._users[place]

    @staticmethod
    def _place(value):
        return value.untyped_storage().data_ptr() if isinstance(value, torch.Tensor) else None
