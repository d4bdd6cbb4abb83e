"""The table of what each number of an observation is, and how long it is.

All vectors are in the arm's own base frame, in SI units; a rotation is the first two columns of its matrix.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

STAGES = ("reach", "lift", "stack", "handover", "carry", "insert", "product")
"""In the order of the curriculum, and of the one-hot part of the observation."""

OWN = {
    "q": 7,  # joint angles
    "qd": 7,  # joint velocities
    "width": 1,  # how far the fingers are open
    "tool": 3,  # position of the tool's point
    "tool_rotation": 6,
    "tool_velocity": 3,
    "holding": 1,  # 1: a part is in the hand
    "lead": 3,  # where the tool is being servoed to, from where it is
    "lead_yaw": 1,
}
"""Then the last action, as many numbers as an action has."""
OTHER = {
    "tool": 3,
    "tool_rotation": 6,
    "tool_velocity": 3,
    "width": 1,
    "holding": 1,
    "active": 1,  # 0: stopped for good, or absent
    "elbow": 3,
    "wrist": 3,
}
"""For each other arm, the next seat's first, around the table; zeros where a seat is absent."""
PART = {
    "position": 3,
    "rotation": 6,
    "velocity": 3,
    "to_grasp": 3,  # from the tool to where this arm should grasp; to the part's origin where it should not
    "to_goal": 3,  # from the part to where it should be next
    "turn_to_grasp": 1,  # yaw still to go until the fingers close on it
    "turn_to_goal": 1,  # yaw that the part still has to turn
    "mine": 1,  # 1: this arm is to move (or keep) it now
    "held": 1,  # how many arms hold it
    "hands": 1,  # how many arms are to hold it
    "placed": 1,  # 1: its current step is done
    "keep": 1,  # 1: its current step ends in the hand
    "present": 1,  # 0: no such part in this match, all zeros
}
"""For each part: those that this arm has a hand in first, in the order of their mates (`plan.order_NK`)."""
TASK = {
    "stage": len(STAGES),
    "time": 1,
    "to_target": 3,
}  # time: share of the limit; to_target: in stage reach

OWN_SIZE, OTHER_SIZE, PART_SIZE, TASK_SIZE = (sum(part.values()) for part in (OWN, OTHER, PART, TASK))
STATE_ARM, STATE_PART = 19, 14


def size_of(seats: int, parts: int, action: int) -> int:
    """Numbers in an observation."""
    return OWN_SIZE + action + OTHER_SIZE * (seats - 1) + PART_SIZE * parts + TASK_SIZE


def slices_of(seats: int, parts: int, action: int) -> dict[str, tuple[int, int]]:
    """Every part of an observation by name: `q`, `other_0.tool`, `part_1.to_goal`, `time` ..."""
    sizes = dict(OWN) | {"last_action": action}
    for i in range(seats - 1):
        sizes |= {f"other_{i}.{name}": size for name, size in OTHER.items()}
    for k in range(parts):
        sizes |= {f"part_{k}.{name}": size for name, size in PART.items()}
    ends = accumulate((sizes | TASK).values(), initial=0)
    return dict(zip(sizes | TASK, pairwise(ends), strict=True))
