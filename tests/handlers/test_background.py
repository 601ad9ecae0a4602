import asyncio

from handlers.background import TaskSet


async def test_task_set_when_full_refuses_tasks() -> None:
    tasks, released = TaskSet(limit=2), asyncio.Event()

    async def wait() -> None:
        await released.wait()

    assert [tasks.start(wait()) for _ in range(3)] == [True, True, False]
    released.set()
    await tasks.drain(5.0)
    assert tasks.start(wait()) is True
    await tasks.drain(5.0)


async def test_task_set_drain_cancels_task_that_does_not_end() -> None:
    tasks, ended = TaskSet(), asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    tasks.start(hang())
    await tasks.drain(0.01)
    assert ended.is_set()
