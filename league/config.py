"""The settings of a league: arena, learner, stages, tournament, and where it runs. Presets are TOML files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from arenas import full_spec
from league.conduct import FaultRules
from league.curriculum import Curriculum, Stage
from league.formats import AnyFormat, CrossPlay, Duel, Format
from league.formats.round_robin import RoundRobin
from league.sinks import SinkName
from league.tasks import PoolPlan
from league.tuning import AUTO, NONE, tuned
from marl.errors import UnknownNameError
from marl.loading import ArenaRef
from marl.settings import Settings, override, read_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from marl.spec import Spec

PRESETS = Path(__file__).parent / "presets"


class PoolSettings(Settings):
    """Copies of the arena. Results depend on `copies` and `groups`, never on `hosts`."""

    copies: int = Field(8, ge=1, description="copies of the arena in all")
    groups: int = Field(2, ge=1, description="groups stepped in turn, so that acting and stepping overlap")
    hosts: int | Literal["auto"] | tuple[str, ...] = Field(
        1,
        description="environment processes; 0: in the worker itself; auto: measured; or addresses of slots "
        "of `marl host`",
    )
    keys: str | None = Field(None, description="folder with the owner's half of the keys of those slots")


class LearnerSettings(Settings):
    """Who learns, and how."""

    name: str = Field("ppo", description="short name or full spec of the learner")
    rollout: int = Field(128, ge=1, description="environment steps of one fragment")
    overlap: bool = Field(
        default=False,
        description="whether the next fragment is played, by the policy as it was, while the learner learns",
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="the learner's own settings")


class GatewaySettings(Settings):
    """Where players from outside come in, and how long they may think."""

    bind: str = Field("127.0.0.1:0", description="address and port that it listens on; port 0: a free one")
    move_ms: int = Field(1000, ge=1, description="milliseconds for a move")


class ExternalSettings(Settings):
    """A player that comes in over a socket for the tournament."""

    name: str = Field(min_length=1, description="what the standings call it")
    command: tuple[str, ...] = Field(
        (),
        description="started for it, with {python}, {address}, {token} and {root} filled in; "
        "none: somebody joins by hand",
    )
    wait_s: float = Field(30.0, gt=0, description="seconds to wait for its agent")
    blocks: int = Field(8, ge=2, description="blocks against each other player")


class TournamentSettings(Settings):
    """The tournament at the end."""

    options: dict[str, Any] = Field(
        default_factory=dict, description="arena options that differ from the league's"
    )
    blocks: int = Field(32, ge=2, description="blocks of each pair, where no other format is named")
    format: AnyFormat | None = Field(
        None,
        description="who meets whom; none: a round robin of `blocks` a pair, where all seats are one team "
        "cross-play",
    )
    faults: FaultRules = Field(default_factory=FaultRules, description="when a player that fails is out")
    players: tuple[str, ...] = Field(("random",), description="scripted players")
    anchors: dict[str, float] = Field(
        default_factory=dict, description="players whose rating is pinned, in Elo"
    )
    ancestors: int = Field(3, ge=0, description="past snapshots beside the final one, spread over the run")
    must_beat: tuple[str, ...] = Field(
        (), description="players the main player has to beat, interval above zero"
    )
    greedy: bool = Field(default=True, description="snapshots take their best action instead of drawing one")
    external: tuple[ExternalSettings, ...] = Field((), description="players that come in over a socket")
    gateway: GatewaySettings = Field(
        default_factory=GatewaySettings, description="where they come in, and their clock"
    )
    seed: int = Field(1, ge=0, description="seed of its matches, apart from training's")
    resamples: int = Field(1000, ge=100, description="bootstrap resamples")

    def form(self, spec: Spec) -> Format:
        """The format that is played; where none is named, by whether there are sides to beat one another."""
        rivals = len(spec.teams) > 1
        if isinstance(self.format, Duel) and not rivals:
            return self.format.model_copy(update={"alone": True})
        if self.format is not None:
            return self.format
        if rivals:
            return RoundRobin(blocks=self.blocks)
        return CrossPlay(blocks=self.blocks, alone=len(spec.seats) == 1)


class LeagueSettings(Settings):
    """A league of one main player, its past, and scripted opponents, through stages to a tournament."""

    name: str = Field("league", description="names the run in the ledger")
    seed: int = Field(0, ge=0, description="everything random follows from it")
    arena: str = Field(description="short name or full spec")
    options: dict[str, Any] = Field(default_factory=dict, description="arena options of all stages")
    capacity: dict[str, Any] | None = Field(
        None, description="arena options of the largest stage; none: `options`"
    )
    wrap: tuple[str, ...] = Field((), description="SuperSuit wrappers, innermost first")
    player: str = Field("main", description="what the main player is called")
    pool: PoolSettings = Field(default_factory=PoolSettings, description="copies and hosts")
    learner: LearnerSettings = Field(default_factory=LearnerSettings, description="who learns")
    stages: tuple[Stage, ...] = Field((), description="the curriculum; none: a tournament only")
    past_pool: int = Field(4, ge=1, description="past snapshots that one training task can meet")
    past_blocks: int = Field(4, ge=0, description="blocks of an exam against each of them, for the record")
    greedy_exams: bool = Field(default=True, description="snapshots take their best action in exams")
    window: int = Field(2, ge=1, description="task k may depend on results up to k - window")
    workers: int = Field(2, ge=1, description="worker processes")
    sinks: tuple[SinkName, ...] = Field(
        (), description="where figures go besides ledger and metrics.jsonl: tensorboard, wandb, mlflow"
    )
    tournament: TournamentSettings | None = Field(
        None, description="the tournament at the end; none: no tournament"
    )

    @model_validator(mode="after")
    def _fits(self) -> LeagueSettings:
        if self.stages:
            Curriculum(stages=self.stages)
        if isinstance(self.pool.hosts, tuple) and self.workers > 1:
            raise ValueError("addresses in pool.hosts need workers = 1: a slot of `marl host` has one owner")
        return self

    def ref(self) -> ArenaRef:
        """The arena that all stages share."""
        return ArenaRef(full_spec(self.arena), self.options, self.capacity, self.wrap)

    def pool_plan(self) -> PoolPlan:
        """Where its matches are played."""
        pool = self.pool
        return PoolPlan(self.ref().to_json(), pool.copies, pool.groups, pool.hosts, pool.keys)

    def stage_options(self, stage: Stage) -> dict[str, Any]:
        """The arena options of a stage."""
        return {**self.options, **stage.options}

    def tournament_options(self) -> dict[str, Any]:
        """The arena options of the tournament."""
        return {**self.options, **(self.tournament.options if self.tournament else {})}


def read_league(
    name: str, assignments: Iterable[str] = (), told: Callable[[str], None] | None = None
) -> LeagueSettings:
    """The settings of a preset (by name) or a TOML file (by path), with `a.b=v` assignments put in.

    `learner.preset` there names tuned settings of the learner to start from, as `league.tuning.tuned` has it;
    "auto" where the learner has no settings at all. `told` hears which one was taken, where
    there are stages to learn in.
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = PRESETS / f"{name}.toml"
        if not path.is_file():
            raise UnknownNameError("league preset", name, [preset.stem for preset in PRESETS.glob("*.toml")])
    values = override(read_toml(path), assignments)
    learner = values.get("learner", {})
    if isinstance(learner, dict) and "arena" in values:
        asked = learner.pop("preset", NONE if learner.get("settings") else AUTO)
        values, taken = tuned(values, asked)
        if taken and told is not None and values.get("stages"):  # a tournament alone has no learner
            told(taken)
    return LeagueSettings.read(str(path.name), values)
