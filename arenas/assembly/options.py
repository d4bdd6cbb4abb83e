"""The options of the assembly arena, and their presets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from marl.arena import Options
from marl.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ARMS = 4
StageName = Literal["reach", "lift", "stack", "handover", "carry", "insert", "insert_held", "product"]
SUCTION_STAGES = ("reach", "lift", "stack")


class AssemblyOptions(Options):
    """What is asked for, of how many arms, how they act and see, what is paid, and what goes wrong."""

    stage: StageName = Field("reach", description="What is asked for, from easy to hard.")
    product: str = Field("bridge", description="Stage product: one of ours, or the path of a TOML file.")
    arms: int = Field(2, ge=1, le=MAX_ARMS, description="Arms at the table.")
    seats: int | None = Field(
        None,
        ge=1,
        le=MAX_ARMS,
        description="Seats that spaces have room for; those without an arm are absent.",
    )
    parts: int | None = Field(
        None, ge=0, le=16, description="Parts that spaces have room for; default: as many as there are."
    )
    arm: Literal["panda", "kuka"] = Field(
        "panda", description="Panda with fingers, or KUKA iiwa with suction."
    )
    action: Literal["ee_delta", "ee_delta6", "joint_vel", "joint_delta"] = Field(
        "ee_delta", description="What an action moves: the tool (x y z yaw, or six), or the joints."
    )
    observation: Literal["full", "classic", "pixels"] = Field(
        "full",
        description="All of the table in docs; joint angles, velocities and the way to the target; or an "
        "image (84 x 84) by a camera of the arm's own, with the arm's and the task's own numbers.",
    )
    reward: Literal["shaped", "sparse", "classic"] = Field(
        "shaped", description="Progress and success; success only; or minus the distance (stage reach)."
    )
    gamma: float = Field(0.99, gt=0, le=1, description="Discount in the shaped reward's potential.")
    team_weight: float = Field(
        1.0, ge=0, le=1, description="Share of the team's progress in a seat's; the rest is its own mates'."
    )
    tolerance: float | None = Field(
        None, gt=0, description="Distance across that will do, in m (stage reach: 0.02; else the mates' own)."
    )
    clearance: float = Field(
        0.004,
        ge=-0.02,
        le=0.02,
        description="Holes are so much wider than what goes in, in m; < 0: too narrow.",
    )
    substeps: Literal[4, 6, 12, 24] = Field(12, description="Steps of the engine for one action.")
    hz: Literal[240, 480] = Field(240, description="Steps of the engine in a second.")
    iterations: int = Field(
        50, ge=10, le=200, description="Iterations of the engine's solver; fewer are faster and softer."
    )
    effort: float = Field(
        1.0,
        ge=0.3,
        le=1,
        description="Share of the arms' force that motors may use; below 1 their own weight is borne.",
    )
    max_steps: int | None = Field(None, ge=1, description="Time limit in actions; default: the stage's.")
    fault_rate: float = Field(
        0.0, ge=0, le=1, description="Chance of a match that one of its arms stops for good at a random step."
    )
    force_limit: float = Field(
        0.0, ge=0, description="Protective stop of an arm that is pressed harder, in N; 0: none."
    )
    on_collision: Literal["penalty", "terminate"] = Field(
        "penalty", description="What an arm that touches another arm or the table brings."
    )
    leave_on_done: bool = Field(False, description="Stage reach: an arm leaves when it is at its target.")
    gone_gripper: Literal["keep", "drop"] = Field(
        "keep", description="What an arm that has stopped does with what it holds."
    )
    reverse: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Chance that a match begins near its end: earlier mates done, the part in the hand.",
    )
    near: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Hands begin at least this share of the way from home to their first grasps, 1 at them; "
        "default: at home.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> AssemblyOptions:
        if self.seats is not None and self.seats < self.arms:
            raise ValueError(f"seats = {self.seats} has no room for arms = {self.arms}")
        if self.stage in {"handover", "insert_held"} and self.arms < 2:
            raise ValueError(f"stage {self.stage} needs two arms or more")
        if self.arm == "kuka" and self.stage not in SUCTION_STAGES:
            raise ValueError(f"arm kuka (suction) is for stages {', '.join(SUCTION_STAGES)}")
        if (self.reward == "classic" or self.observation == "classic") and self.stage != "reach":
            raise ValueError("reward and observation classic are for stage reach")
        if self.leave_on_done and self.stage != "reach":
            raise ValueError("leave_on_done is for stage reach")
        if (self.near is not None or self.reverse > 0) and self.stage == "reach":
            raise ValueError("near and reverse are for stages with parts to grasp")
        if self.stage != "product" and self.product != type(self).model_fields["product"].default:
            raise ValueError(f"product = {self.product!r} is for stage product")
        return self


_CURRICULUM: Mapping[str, Any] = {"seats": 2, "parts": 3}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "classic": {
        "stage": "reach",
        "arms": 1,
        "arm": "kuka",
        "action": "joint_vel",
        "observation": "classic",
        "reward": "classic",
        "substeps": 4,
        "tolerance": 0.05,
    },
    "reach": {},
    "lift": {"stage": "lift"},
    "stack": {"stage": "stack"},
    "handover": {"stage": "handover"},
    "carry": {"stage": "carry"},
    "insert": {"stage": "insert"},
    "insert_held": {"stage": "insert_held"},
    "bridge": {"stage": "product", "product": "bridge"},
    "bridge_cap": {"stage": "product", "product": "bridge_cap", "arms": 3},
    "table": {"stage": "product", "product": "table", "arms": 4},
    "s0_10cm": {**_CURRICULUM, "tolerance": 0.1},
    "s0_5cm": {**_CURRICULUM, "tolerance": 0.05},
    "s0_2cm": {**_CURRICULUM, "tolerance": 0.02},
    "s0_1cm": {**_CURRICULUM, "tolerance": 0.01},
    "s1": {**_CURRICULUM, "stage": "lift"},
    "s2_3cm": {**_CURRICULUM, "stage": "stack", "tolerance": 0.03},
    "s2": {**_CURRICULUM, "stage": "stack"},
    "s3": {**_CURRICULUM, "stage": "handover"},
    "s4": {**_CURRICULUM, "stage": "carry"},
    "s5_8mm": {**_CURRICULUM, "stage": "insert", "clearance": 0.008},
    "s5_4mm": {**_CURRICULUM, "stage": "insert"},
    "s5_2mm": {**_CURRICULUM, "stage": "insert", "clearance": 0.002},
    "s5_1mm": {**_CURRICULUM, "stage": "insert", "clearance": 0.001},
    "s5_held": {**_CURRICULUM, "stage": "insert_held"},
    "s6_4mm": {**_CURRICULUM, "stage": "product"},
    "s6_2mm": {**_CURRICULUM, "stage": "product", "clearance": 0.002},
    "s6_1mm": {**_CURRICULUM, "stage": "product", "clearance": 0.001},
}
"""Named sets of options; `s0_` to `s6_` are a curriculum of two arms, all with the same spaces."""


def preset(name: str, **options: Any) -> dict[str, Any]:
    """The options of a preset with some of them changed; UnknownNameError lists the presets."""
    if name not in PRESETS:
        raise UnknownNameError("assembly preset", name, PRESETS)
    return {**PRESETS[name], **options}
