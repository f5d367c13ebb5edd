"""FastAPI with SQLAlchemy's async ORM doing the bare insert and select: what a team would write without Holdfast.

It follows both projects' documentation: one engine and pool for the process, a session for each request through a
dependency, `expire_on_commit=False`, pydantic models in and out. No authentication, no tenancy, no event.
"""

import os
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(
    os.environ["BENCHMARK_DATABASE_URL"],
    pool_size=int(os.environ["BENCHMARK_POOL_SIZE"]),
    max_overflow=0,
    connect_args={"server_settings": {"search_path": os.environ["BENCHMARK_SCHEMA"]}},
)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """Maps tables.sql, which the floor has too."""

    type_annotation_map: ClassVar = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[dict[str, Any]]: JSONB,
    }


class Task(Base):
    __tablename__ = "task"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    context_id: Mapped[UUID] = mapped_column(default=uuid4)
    state: Mapped[str] = mapped_column(default="submitted")
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Message(Base):
    __tablename__ = "message"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    task_id: Mapped[UUID] = mapped_column(ForeignKey("task.id"))
    # The bare insert: the database numbers the rows, nobody reads the last number first.
    number: Mapped[int] = mapped_column(BigInteger, Identity())
    role: Mapped[str]
    parts: Mapped[list[dict[str, Any]]]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Session(Base):
    __tablename__ = "session"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    title: Mapped[str] = mapped_column(default="")
    state: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class MessageIn(BaseModel):
    role: str
    parts: list[dict[str, Any]]
    metadata: dict[str, Any] = {}


class MessageOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    task_id: UUID
    number: int
    role: str
    parts: list[dict[str, Any]]
    created_at: datetime


class TaskOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    context_id: UUID
    state: str
    created_at: datetime
    updated_at: datetime


class SessionIn(BaseModel):
    title: str = ""
    state: dict[str, Any]


class SessionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    title: str
    state: dict[str, Any]
    created_at: datetime
    updated_at: datetime


async def open_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Db = Annotated[AsyncSession, Depends(open_session)]
app = FastAPI(openapi_url=None)


@app.post("/tasks", status_code=201)
async def create_task(db: Db) -> TaskOut:
    task = Task()
    db.add(task)
    await db.commit()
    return TaskOut.model_validate(task)


@app.get("/tasks/{task_id}")
async def get_task(task_id: UUID, db: Db) -> TaskOut:
    task = await db.get(Task, task_id)
    if task is None:
        raise HTTPException(404)
    return TaskOut.model_validate(task)


@app.post("/tasks/{task_id}/messages", status_code=201)
async def append_message(task_id: UUID, body: MessageIn, db: Db) -> MessageOut:
    message = Message(task_id=task_id, role=body.role, parts=body.parts, metadata_=body.metadata)
    db.add(message)
    await db.commit()
    return MessageOut.model_validate(message)


@app.post("/sessions", status_code=201)
async def create_session(body: SessionIn, db: Db) -> SessionOut:
    session = Session(title=body.title, state=body.state)
    db.add(session)
    await db.commit()
    return SessionOut.model_validate(session)


@app.get("/sessions/{session_id}")
async def get_session(session_id: UUID, db: Db) -> SessionOut:
    session = await db.get(Session, session_id)
    if session is None:
        raise HTTPException(404)
    return SessionOut.model_validate(session)
