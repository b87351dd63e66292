"""A member of kafka-python: writes each record's value on a line, then commits.

Arguments: bootstrap, topic and group, strategy, client id, session timeout and heartbeat interval in ms.
"""

import logging
import os
import signal
import sys

from kafka import KafkaConsumer
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import CommitFailedError, RebalanceInProgressError

bootstrap, topic, strategy, client_id, session, heartbeat = sys.argv[1:]
assignors = {assignor.name: assignor for assignor in (RangePartitionAssignor, RoundRobinPartitionAssignor)}


class Assignor(assignors[strategy]):
    """Says when this member is the leader."""

    @classmethod
    def assign(cls, cluster, members):
        print("assigns", file=sys.stderr, flush=True)
        return super().assign(cluster, members)


running = True


def end(_signal, _frame):
    global running
    running = False


signal.signal(signal.SIGTERM, end)
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
consumer = KafkaConsumer(
    topic,
    bootstrap_servers=bootstrap,
    client_id=client_id,
    group_id=topic,
    partition_assignment_strategy=[Assignor],
    session_timeout_ms=int(session),
    heartbeat_interval_ms=int(heartbeat),
    auto_offset_reset="earliest",
    # Committed below, after the write.
    enable_auto_commit=False,
)
# A leader that does not know the topic yet assigns nothing, and rebalances at once: 3.0.12 has been seen to fall silent there.
consumer.partitions_for_topic(topic)
while running:
    batches = consumer.poll(timeout_ms=200)
    lines = b"".join(record.value + b"\n" for records in batches.values() for record in records)
    # One write for all, past Python's buffer: whole or not there when the process is killed.
    while lines:
        lines = lines[os.write(1, lines) :]
    if batches:
        try:
            consumer.commit()
        except (CommitFailedError, RebalanceInProgressError) as error:
            # The group has gone on without this member: whoever has the partitions now handles these again.
            print(error, file=sys.stderr)
consumer.close(autocommit=False)
