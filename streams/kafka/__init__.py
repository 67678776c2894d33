"""Kafka clients: topics, readers, publishers, the transaction of a step, and the transport of Faust.

None of them creates a topic by asking for it: aiokafka has no option for that, and on a broker with
auto.create.topics.enable a client whose topic is deleted would create it again, with the broker's partitions.
"""

from functools import partial

import aiokafka.client
from aiokafka.protocol.metadata import MetadataRequest

vars(aiokafka.client)["MetadataRequest"] = partial(MetadataRequest, allow_auto_topic_creation=False)
