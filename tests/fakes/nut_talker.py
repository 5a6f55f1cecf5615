"""A port that answers as no NUT server does: late, in drops, cut, without end, or not at all."""

from tests.fakes.loopback import Loopback


class Talker(Loopback):
    """*answer* gives for each question the pieces of the answer. All questions are in *asked*."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer
        self.asked = []

    def serve(self, client):
        with client.makefile("rb") as questions:
            for question in questions:
                self.asked.append(question.decode().rstrip("\n"))
                self.send(client, self.answer(self.asked[-1]))
