"""The connection to a Redis server, and what an error that it answers means for an output."""

from collections.abc import Sequence

from collector.errors import DeviceRefused, OutputAway, ReadFault
from collector.lines.redis import Answer, RedisLine, Refusal, Word
from collector.secrets import Secret

Commands = Sequence[Sequence[Word]]
LOOKS_AT_ONCE = 20  # hashes of 3,600 rows, or entries of every quantity, are 9 MB of an answer
SEEN_OTHERS = "equal or smaller than the target stream top item"


class Server:
    """One server, for one thread. Raise ValueError for a wrong *url*."""

    def __init__(self, url: str, database: int, user: str, password: Secret | None) -> None:
        self.line = RedisLine(url)
        self.name = f"Redis at {url}"
        self.database, self.user, self.password = database, user, password

    def open(self) -> None:
        """Connect and log in, where that is not yet done. Raise OutputAway, SecretMissing."""
        if self.line.is_open:
            return
        password = self.password.value() if self.password else ""
        try:
            self.line.open(self.user, password, self.database)
        except DeviceRefused as error:
            raise self.away(str(error).partition(" refuses: ")[2]) from error
        except ReadFault as error:
            raise OutputAway(str(error)) from error

    def close(self) -> None:
        self.line.close()

    def ask_all(self, commands: Commands) -> list[Answer]:
        """Return the answers to *commands*, errors among them. Raise OutputAway."""
        if not commands:
            return []
        self.open()
        try:
            return self.line.ask_all(commands)
        except ReadFault as error:
            raise OutputAway(str(error)) from error

    def ask_some(self, commands: Commands) -> list[Answer]:
        """Return the answers to any number of *commands*, a few at a time. Raise OutputAway."""
        places = range(0, len(commands), LOOKS_AT_ONCE)
        return [
            answer
            for first in places
            for answer in self.ask_all(commands[first : first + LOOKS_AT_ONCE])
        ]

    def look(self, commands: Commands) -> list[Answer]:
        """Return the answers to *commands*, none of which may be an error. Raise OutputAway."""
        answers = self.ask_some(commands)
        self.check(answers)
        return answers

    def transact(self, commands: Commands) -> None:
        """Carry out all of *commands* or none of them. Raise OutputAway.

        One that the server refuses beforehand (it is full, it may only read) makes it none, so
        nothing that comes later in a stream can shut out what came before. Likewise where the
        connection ends before it has heard everything.
        """
        if not commands:
            return
        answers = self.ask_all([("MULTI",), *commands, ("EXEC",)])
        self.check(answers)
        done = answers[-1]
        if not isinstance(done, list) or len(done) != len(commands):
            self.close()
            raise OutputAway(f"{self.name} did not answer a transaction like a Redis server")
        self.check(done)

    def check(self, answers: Sequence[Answer]) -> None:
        """Raise OutputAway for the first error among *answers*."""
        for answer in answers:
            if isinstance(answer, Refusal):
                raise self.away(answer)

    def away(self, said: str) -> OutputAway:
        """Say what the server answered and, where a human must mend something, what."""
        secret = f"the secret {self.password.name!r}" if self.password else "'password'"
        set_it = f"'sudo energy-monitor secret set {self.password.name}'" if self.password else ""
        store = f"; {set_it} stores another" if set_it else ""
        rights = "it needs rights as in docs/outputs.md, Redis"
        mend = {
            "NOAUTH": "; it wants a login: give 'password', and 'user' where it has several",
            "WRONGPASS": f"; mend {secret}, or 'user'{store}",
            "NOPERM": f"; the login may not do that: {rights}",
            "WRONGTYPE": "; another program uses that key: give another 'prefix' or 'database', or "
            "delete the key",
            "OOM": "; it is full: give it more memory, or keep less by 'keep'",
            "MISCONF": "; it cannot save to its disk: make room there",
            "READONLY": "; it is a replica: give the address of the primary in 'url'",
        }.get(said.partition(" ")[0], "")
        if "DB index" in said:
            mend = "; mend 'database'"
        elif "unknown command" in said or "wrong number of arguments for 'hset'" in said:
            mend = "; Redis 5 or newer is needed, or Valkey"
        # Someone else has added to our stream: look again at once, then go on.
        return OutputAway(
            f"{self.name} refuses: {said.rstrip('.')}{mend}", 0 if SEEN_OTHERS in said else None
        )
