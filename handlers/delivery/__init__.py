"""Delivers outbox messages: in order by channel, at least once.

The attempt is stored before the API call and the message id after it. A message with a stored
attempt may have been posted, so the worker looks it up by its key before posting again, once the
earlier call must have ended. Duplicates occur only where the channel history cannot be read.
"""

from handlers.delivery.retry_policy import DeliveryTimeouts
from handlers.delivery.worker import DeliveryWorker

__all__ = ["DeliveryTimeouts", "DeliveryWorker"]
