"""A server of InfluxDB as a restoration meets it on bad days."""

from collections import deque

from backup.influxdb.influxdb_2 import Failed, Server


class Killed(BaseException):
    """The process ends here: nothing that it would still do gets through."""


class Dying(Server):
    """Stands for a process that is killed before its request number *last*."""

    def __init__(self, url, token, last):
        super().__init__(url, token)
        self.asked, begin = 0, self.line.begin

        def until_killed(*args):
            if self.asked >= last:
                raise Killed
            self.asked += 1
            return begin(*args)

        vars(self.line)["begin"] = until_killed


class Counting(Server):
    """Remembers the shards that were filled; something may happen before the third."""

    def __init__(self, url, token, before_third=lambda: None):
        super().__init__(url, token)
        self.filled = []
        self.before_third = before_third

    def fill_shard(self, shard, files):
        if len(self.filled) == 2:
            self.before_third()
        super().fill_shard(shard, files)
        self.filled.append(shard)


class Swallowing(Counting):
    """Says yes to the first *times* shards and keeps nothing of them, as InfluxDB 2.9 can."""

    def __init__(self, url, token, times):
        super().__init__(url, token)
        self.times = times

    def fill_shard(self, shard, files):
        if len(self.filled) < self.times:
            self.filled.append(shard)
            for _, _, chunks in files:
                for _ in chunks:
                    pass
        else:
            super().fill_shard(shard, files)


class Shut(Counting):
    """Fails for the shards of *shut*, as InfluxDB does for one whose upload was cut off."""

    def __init__(self, url, token, shut):
        super().__init__(url, token)
        self.shut = shut

    def fill_shard(self, shard, files):
        if shard in self.shut:
            for _, _, chunks in files:
                deque(chunks, 0)
            raise Failed("answers 500 'An internal error has occurred - check server logs'")
        super().fill_shard(shard, files)
