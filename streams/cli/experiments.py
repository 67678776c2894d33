"""The commands `interest-stream experiments …`: what is tried on whom, and what it shows."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.command_group import console, run
from streams.errors import ExperimentError

if TYPE_CHECKING:
    from streams.schema.decisions.experiment import Arm, Guardrail, Parameter

experiments_app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the experiment.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="As the HTTP API answers it.")]


@experiments_app.command()
def create(
    ctx: typer.Context,
    name: Name,
    arm: Annotated[
        list[str],
        typer.Option(
            metavar="NAME[:KEY=VALUE,…]",
            help="What some of the users get, the control first: policy, recipe, weight, or a parameter of the policy.",
            show_default=False,
        ),
    ],
    metric: Annotated[
        str, typer.Option(metavar="METRIC", help="Per decision: reward, no_feedback or feedback.TYPE.")
    ] = "reward",
    traffic: Annotated[float, typer.Option(metavar="SHARE", help="Of the users who take part.")] = 1.0,
    holdout: Annotated[float, typer.Option(metavar="SHARE", help="Of users whom no experiment touches.")] = 0.0,
    guardrail: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC:increase|decrease[:ALLOWED]",
            help="Stops an arm that differs by more from the control; may be repeated.",
        ),
    ] = None,
    alpha: Annotated[float, typer.Option(help="What all conclusions together may err.")] = 0.05,
    expected_users: Annotated[int, typer.Option(metavar="N", help="Intervals are tightest with so many.")] = 10_000,
    min_users: Annotated[int, typer.Option(metavar="N", help="Nothing is concluded of an arm with fewer.")] = 100,
) -> None:
    """Begin an experiment. Requests for decisions that name it get the policy of their user's arm.

    The arms' policies must be among policy.kinds, of this command as of the processes that decide.

    interest-stream experiments create explore --arm usual --arm thompson:policy=thompson --traffic 0.1
    --guardrail no_feedback:increase:0.02

    interest-stream experiments create warmth --arm cold:policy=softmax,temperature=0.1
    --arm warm:policy=softmax,temperature=1
    """
    import time

    from streams.experiments.experiment_topic import create_experiment
    from streams.policy.arms import check_arms
    from streams.schema.decisions.experiment import Experiment

    arms = parse_arms(arm)
    experiment = Experiment(
        name=name,
        created_at=int(time.time() * 1000),
        arms=arms,
        control=arms[0].name,
        salt=name,
        metric=metric,
        traffic=traffic,
        holdout=holdout,
        alpha=alpha,
        expected_users=expected_users,
        min_users=min_users,
        guardrails=tuple(parse_guardrail(text) for text in guardrail or ()),
    )
    settings = ctx.obj.settings()
    check_arms(experiment, settings.policy)
    run(create_experiment(settings, experiment))
    console().print(
        f"[green]✓[/] {name} runs: {', '.join(arm.name for arm in arms)}, compared with {experiment.control}; "
        f"see `experiments result {name}`",
        soft_wrap=True,
    )
    for recipe in sorted({arm.recipe for arm in arms} - {"", settings.policy.recipe}):
        console().print(
            f"users of arms with the recipe {recipe} get no decision before a `policy` or `web` with "
            f"policy.recipe={recipe} runs",
            soft_wrap=True,
        )


@experiments_app.command("list")
def list_experiments(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the experiments, the oldest first."""
    import msgspec

    from streams.experiments.experiment_topic import read_experiments
    from streams.terminal.experiments import print_experiments

    experiments = list(run(read_experiments(ctx.obj.settings())).values())
    if as_json:
        typer.echo(msgspec.json.encode(experiments).decode())
    else:
        print_experiments(console(), experiments)


@experiments_app.command()
def traffic(
    ctx: typer.Context,
    name: Name,
    share: Annotated[float, typer.Argument(metavar="SHARE", help="Of the users who take part.", show_default=False)],
) -> None:
    """Give a running experiment more users, or fewer. More moves nobody from one arm to another."""
    from streams.experiments.experiment_topic import change_traffic

    changed = run(change_traffic(ctx.obj.settings(), name, share))
    console().print(f"[green]✓[/] {changed.name} has {changed.traffic:.1%} of the users", soft_wrap=True)


@experiments_app.command()
def stop(
    ctx: typer.Context,
    name: Name,
    arm: Annotated[str | None, typer.Option(metavar="ARM", help="Only this one.", show_default="all")] = None,
    because: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "by command",
) -> None:
    """Stop an experiment, or one of its arms: its users get what they would without it. What was found stays."""
    from streams.experiments.experiment_topic import stop_experiment

    stopped = run(stop_experiment(ctx.obj.settings(), name, because, arm))
    what = stopped.name if arm is None else f"arm {arm} of {stopped.name}"
    console().print(f"[green]✓[/] {what} is stopped", soft_wrap=True)


@experiments_app.command()
def result(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show what an experiment has shown so far: each arm with its confidence sequence, and the winner.

    Look as often as you like: all looks together err alpha at most. Reads all that the topic of rewards keeps.
    """
    from streams.experiments.follower import ExperimentFollower
    from streams.terminal.experiments import print_result

    results = run(ExperimentFollower(ctx.obj.settings()).read_all())
    if name not in results:
        raise ExperimentError(f"there is no experiment {name}; there are: {', '.join(results) or 'none'}")
    if as_json:
        typer.echo(results[name].model_dump_json())
    else:
        print_result(console(), results[name])


@experiments_app.command()
def estimate(
    ctx: typer.Context,
    arm: Annotated[
        list[str],
        typer.Option(
            metavar="NAME[:KEY=VALUE,…]", help="As of `create`: a policy, or parameters of it.", show_default=False
        ),
    ],
    by: Annotated[
        str | None, typer.Option(metavar="POLICY", help="Only decisions of this one.", show_default="of all")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="The newest decisions with a reward.")] = 50_000,
    as_json: AsJson = False,
) -> None:
    """Estimate what arms would have earned on the decisions that were logged, before anybody is in them.

    By the propensities of what was shown (off-policy evaluation). An estimate is worth as many decisions of the arm
    itself as are named effective: few, where what it would show was hardly ever shown. The best log is that of a policy
    that explores; --by leaves the others out.

    interest-stream experiments estimate --arm thompson:policy=thompson --arm warm:policy=softmax,temperature=0.1
    """
    import json

    from streams.policy.arm_estimates import estimate_arms
    from streams.policy.logged_topics import read_logged
    from streams.terminal.experiments import print_estimates

    logged = run(read_logged(ctx.obj.settings(), limit, by))
    estimates = estimate_arms(logged, [parse_arm(text) for text in arm])
    if as_json:
        typer.echo(json.dumps([of_arm.model_dump() for of_arm in estimates]))
    else:
        print_estimates(console(), estimates, len(logged.decisions), logged.left_out)


def parse_arms(texts: list[str]) -> "tuple[Arm, ...]":
    """The arms of an experiment. Raises ExperimentError where there are fewer than two."""
    if len(texts) < 2:
        raise ExperimentError(
            f"--arm {texts[0]}: an experiment compares two arms or more, the control first: "
            "--arm usual --arm NAME:policy=POLICY"
        )
    return tuple(parse_arm(text) for text in texts)


def parse_arm(text: str) -> "Arm":
    """The arm that NAME:KEY=VALUE,… describes. Raises ExperimentError."""
    from streams.schema.decisions.experiment import Arm
    from streams.settings.recipes import RECIPES

    name, _, rest = text.partition(":")
    policy, recipe, weight, parameters = "", "", 1.0, {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise ExperimentError(f"--arm {text}: {pair!r} is not KEY=VALUE")
        if key == "policy":
            policy = value
        elif key == "recipe":
            if (recipe := value) not in RECIPES:
                raise ExperimentError(f"--arm {text}: there is no recipe {value}, there are {', '.join(RECIPES)}")
        elif key == "weight":
            weight = _number(value, f"--arm {text}: weight")
        else:
            parameters[key] = _parameter(value)
    return Arm(name=name, weight=weight, policy=policy, recipe=recipe, parameters=parameters)


def parse_guardrail(text: str) -> "Guardrail":
    """The guardrail that METRIC:increase|decrease[:ALLOWED] describes. Raises ExperimentError."""
    from streams.schema.decisions.experiment import Guardrail

    metric, _, rest = text.partition(":")
    harm, _, allowed = rest.partition(":")
    if harm not in ("increase", "decrease"):
        raise ExperimentError(f"--guardrail {text}: expected METRIC:increase or METRIC:decrease, then :ALLOWED")
    return Guardrail(
        metric=metric,
        harm="increase" if harm == "increase" else "decrease",
        allowed=_number(allowed or "0", f"--guardrail {text}: ALLOWED"),
    )


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ExperimentError(f"{what} must be a number, not {text!r}") from None


def _parameter(text: str) -> "Parameter":
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text == "true" if text in ("true", "false") else text
