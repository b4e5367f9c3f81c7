"""`insights chat`: a conversation in the terminal."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import typer

from insights.cli import options
from insights.cli.failing import FAILED, complain, failing
from insights.cli.terminal import is_terminal, note, tells_more, write

if TYPE_CHECKING:
    from insights.cli.conversation import Conversation
    from insights.core.types import ModelResponse

EPILOG = 'Example: insights chat -m anthropic/claude-haiku-4-5 -s "Answer in one sentence."'
HELP: Final = """\
/model NAME   another model goes on with the conversation (without NAME: which one it is)
/system TEXT  what the model is told first (without TEXT: what that is; -: nothing)
/undo         drop the last question and its answer
/clear        drop all questions and answers
/cost         what the conversation cost
/save FILE    write the messages to a new file, as JSON
/exit         end, as Ctrl-D does; Ctrl-C stops an answer
A line that ends with a backslash goes on in the next; \"\"\" begins and ends several lines."""
PROMPT: Final = "> "
_COMMAND: Final = re.compile(r"/([a-z]+)(?:\s+(.*))?\s*", re.DOTALL)
_BLOCK: Final = '"""'


def chat(
    model: options.Model = None,
    system: options.System = None,
    cassette: options.Cassette = None,
    record_mode: options.RecordMode = None,
    max_tokens: options.MaxTokens = None,
    temperature: options.Temperature = None,
    timeout: options.Timeout = None,
    no_cache: options.NoCache = False,
    api_base: options.ApiBase = None,
    tag: options.Tags = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Talk with a model; /help lists what else can be typed. Answers go to stdout, everything else to stderr.

    Where stdin is no terminal, each line is a question, and the exit code is 1 if a call failed."""
    from insights.cli import asking
    from insights.cli.conversation import Conversation

    given = {
        "max_tokens": max_tokens,
        "temperature": temperature,
        "timeout": timeout,
        "api_base": api_base,
        "tags": tag or None,
        "cache": False if no_cache else None,
    }
    with failing():
        talk = Conversation(asking.chosen_model(model), system, {k: v for k, v in given.items() if v is not None})
        _known(talk.model)
    with asking.cassette(cassette, record_mode):
        failed = Chat(talk, tells_more(quiet, verbose)).run()
    if failed and not is_terminal(sys.stdin):
        raise typer.Exit(FAILED)


def _known(model: str) -> str | None:
    """Sees that a name leads to a model; what stands in the way of asking it."""
    from insights.client import explain_route

    return explain_route(model).problem


class _End(Exception):
    """The conversation is over."""


class Chat:
    """Reads, asks and prints until there is nothing more. `tells` is whether costs are told after each answer."""

    def __init__(self, talk: Conversation, tells: bool) -> None:
        self._talk, self._tells = talk, tells
        self._interactive = is_terminal(sys.stdin)
        self._commands: dict[str, Callable[[str], None]] = {
            "help": lambda _: note(HELP),
            "model": self._model,
            "system": self._system,
            "undo": self._undo,
            "clear": self._clear,
            "cost": lambda _: note(talk.cost()),
            "save": self._save,
            "exit": self._exit,
            "quit": self._exit,
        }

    def run(self) -> bool:
        """The conversation, to its end; whether something in it failed."""
        from insights.core.errors import InsightsError

        failed = False
        if self._interactive:
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401  # gives input() its line editing
            if self._tells:
                note(f"{self._talk.model}; /help lists the commands, Ctrl-D ends")
        while True:
            try:
                text = self._read()
                if text.strip():
                    self._take(text)
            except (EOFError, _End):
                return failed
            except KeyboardInterrupt:
                if not self._interactive:
                    raise
                note("\nCtrl-D or /exit ends")
            except InsightsError as error:
                failed = True
                complain(error)

    # ------------------------------------------------------------ reading

    def _read(self) -> str:
        """One message: a line, several with backslashes at their ends, or a block."""
        text = self._line(PROMPT)
        if text.lstrip().startswith(_BLOCK):
            lines = [text.lstrip().removeprefix(_BLOCK)]
            while not lines[-1].rstrip().endswith(_BLOCK):
                lines.append(self._line("... "))
            lines[-1] = lines[-1].rstrip().removesuffix(_BLOCK)
            return "\n".join(lines).strip("\n")
        while text.endswith("\\"):
            text = text[:-1] + "\n" + self._line("... ")
        return text

    def _line(self, prompt: str) -> str:
        if not self._interactive:
            line = sys.stdin.readline()
            if not line:
                raise EOFError
            return line.rstrip("\r\n")
        try:
            if is_terminal(sys.stdout):
                return input(prompt)
            sys.stderr.write(prompt)
            sys.stderr.flush()
            return input()
        except EOFError:
            sys.stderr.write("\n")
            raise

    # ------------------------------------------------------------ answering

    def _take(self, text: str) -> None:
        command = _COMMAND.fullmatch(text)
        if command is None:
            self._ask(text.strip())
            return
        done = self._commands.get(command[1])
        if done is None:
            from insights.core.errors import ConfigError

            raise ConfigError(
                f"there is no /{command[1]}", hint="/help lists the commands; a space before it sends it as it is"
            )
        done((command[2] or "").strip())

    def _ask(self, question: str) -> None:
        from insights.core.errors import InsightsError

        try:
            answer = self._streamed(question)
        except KeyboardInterrupt:
            if not self._interactive:
                raise
            note("\nstopped: this question and what came of its answer are not part of the conversation")
            return
        except InsightsError:
            note("the question was dropped from the conversation; it goes on")
            raise
        self._talk.keep(question, answer)
        if self._tells:
            from insights.cli.asking import told

            note(f"{told(answer)} · conversation {self._talk.cost()}")

    def _streamed(self, question: str) -> ModelResponse:
        from insights.client import completion

        last = ""
        params: dict[str, Any] = dict(self._talk.params)
        with completion(self._talk.model, self._talk.messages(question), stream=True, **params) as chunks:
            for chunk in chunks:
                if chunk.text:
                    write(chunk.text)
                    last = chunk.text
            answer = chunks.response
        if not last and answer.choices and answer.choices[0].message.refusal:
            write(answer.choices[0].message.refusal)
        if not last.endswith("\n"):
            write("\n")
        return answer

    # ------------------------------------------------------------ commands

    def _model(self, name: str) -> None:
        if name:
            problem = _known(name)
            self._talk.model = name
            if problem:
                note(f"{name}: {problem}")
        note(f"the model is {self._talk.model}")

    def _system(self, text: str) -> None:
        if text:
            self._talk.system = None if text == "-" else text
        note(f"the model is told first: {self._talk.system}" if self._talk.system else "the model is told nothing first")

    def _undo(self, _: str) -> None:
        question = self._talk.undo()
        note("there is nothing to undo" if question is None else f"dropped: {question.splitlines()[0][:60]}")

    def _clear(self, _: str) -> None:
        count = len(self._talk.turns)
        self._talk.turns.clear()
        note(f"{count} question{'s' * (count != 1)} dropped; what the model is told first stays")

    def _save(self, name: str) -> None:
        from insights.core.errors import ConfigError

        if not name:
            raise ConfigError("/save needs a file", hint="e.g. /save talk.json")
        note(f"written to {self._talk.save(name)}")

    def _exit(self, _: str) -> None:
        raise _End
