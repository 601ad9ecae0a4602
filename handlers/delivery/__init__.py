"""What rooms must be told, delivered: in order by room, never lost, and twice only where nobody can look.

The intent is stored before the call and the message's id after it. A letter with an intent may stand in the room already,
so it is looked up by its key before it is posted again, and only once no call can be under way any more.
"""

from handlers.delivery.retry_policy import Pace
from handlers.delivery.worker import Delivery

__all__ = ["Delivery", "Pace"]
