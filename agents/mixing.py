"""How the values of a team's chosen actions become one: each for itself, their sum, or QMIX.

Axes: B batch, N seats, G teams, M seats of the largest team, S state, E units of the mixer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from agents.layers import MLP, Inputs, Linear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Teams:
    """Which of N seats share a value: G groups of seat numbers."""

    def __init__(self, groups: Sequence[Sequence[int]], seats: int) -> None:
        self.groups = [list(group) for group in groups]
        self.member_NG = np.zeros((seats, len(groups)), np.float32)
        for team, group in enumerate(groups):
            self.member_NG[group, team] = 1
        self.largest = max(len(group) for group in groups)

    def reward(self, reward_BN: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean of the team's rewards; a seat that is not there gets none."""
        mean: NDArray[np.float32] = reward_BN @ (self.member_NG / self.member_NG.sum(0))
        return mean

    def any(self, x_BN: NDArray[np.generic]) -> NDArray[np.float32]:
        """The greatest of the team's numbers: its discount ends with its last seat."""
        return np.stack([x_BN[:, group].max(1) for group in self.groups], axis=1).astype(np.float32)


class SumMix(nn.Module):
    """VDN (Sunehag et al. 2018): the team's value is the mean of its seats' values, as its reward is."""

    def __init__(self, teams: Teams) -> None:
        super().__init__()
        mean_NG = torch.from_numpy(teams.member_NG / teams.member_NG.sum(0))
        self.register_buffer("mean_NG", mean_NG, persistent=False)

    def forward(self, value_BN: Tensor, state_BS: Tensor) -> Tensor:
        """(B, N), 0 for seats that are not there, to (B, G); with teams of one seat: as it is."""
        del state_BS
        return value_BN @ self.get_buffer("mean_NG")


class QMixer(nn.Module):
    """QMIX (Rashid et al. 2018, eq. 4-6): a mixing net for each team, monotone in every seat's value.

    Weights of the mixing net come from the state by hypernetworks and are made >= 0 by abs; so does its last
    bias, by a net of one hidden layer. Rewards are the team's mean, as in `SumMix`.
    """

    _seat: Tensor
    _held: Tensor

    def __init__(self, teams: Teams, state_size: int, units: int, generator: torch.Generator) -> None:
        super().__init__()
        count, most = len(teams.groups), teams.largest
        self._units, self._most = units, most
        seat_GM = np.full((count, most), -1, np.int64)
        for row, group in zip(seat_GM, teams.groups, strict=True):
            row[: len(group)] = group
        self.register_buffer("_seat", torch.from_numpy(seat_GM.clip(0).ravel()), persistent=False)
        held_G1M = torch.from_numpy((seat_GM >= 0).astype(np.float32)).unsqueeze(1)
        self.register_buffer("_held", held_G1M, persistent=False)
        self.inputs = Inputs(count, state_size)
        # mixing weights start near 1 / most and 1 / units: near VDN's mean
        self.weight_in = Linear(count, state_size, most * units, 0.1, generator)
        self.bias_in = Linear(count, state_size, units, 0.1, generator)
        self.weight_out = Linear(count, state_size, units, 0.1, generator)
        self.bias_body = MLP(count, state_size, [units], "relu", generator)
        self.bias_out = Linear(count, units, 1, 0.1, generator)
        with torch.no_grad():
            self.weight_in.bias.fill_(1 / most)
            self.weight_out.bias.fill_(1 / units)

    def forward(self, value_BN: Tensor, state_BS: Tensor) -> Tensor:
        """(B, N), 0 for seats that are not there, and raw states to (B, G)."""
        state = self.inputs(state_BS.unsqueeze(0).expand(len(self._held), *state_BS.shape))
        value = value_BN.index_select(1, self._seat).view(len(value_BN), *self._held.shape[::2])
        value_GBM = value.transpose(0, 1) * self._held
        weight_in = self.weight_in(state).abs().unflatten(-1, (self._most, self._units))
        hidden = (value_GBM.unsqueeze(-2) @ weight_in).squeeze(-2) + self.bias_in(state)
        hidden = nn.functional.elu(hidden)
        mixed = (hidden * self.weight_out(state).abs()).sum(-1)
        bias = self.bias_out(self.bias_body(state)).squeeze(-1)
        total: Tensor = (mixed + bias).transpose(0, 1)
        return total
