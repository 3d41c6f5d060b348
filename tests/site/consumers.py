"""The chat: rooms of people who send each other short JSON texts over WebSocket."""

from collections import Counter, defaultdict, deque
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class Room:
    def __init__(self):
        # Counted, because one user may have the room open twice.
        self.users = Counter()
        self.messages = deque(maxlen=3)


# Rooms live in this process only, as the in-memory channel layer does.
rooms = defaultdict(Room)


class Chat(AsyncJsonWebsocketConsumer):
    room = None

    async def connect(self):
        name = self.scope["url_route"]["kwargs"]["room"]
        if name == "closed":
            # Closing before accepting makes the server answer the handshake with 403.
            await self.close()
            return
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        self.user = query.get("name", ["guest"])[0]
        offered = self.scope["subprotocols"]
        await self.accept(subprotocol="chat.v1" if "chat.v1" in offered else None)

        # The history is taken in the moment the newcomer joins the group, so that a message sent
        # meanwhile reaches the newcomer once: in the history, or after it.
        self.room, self.group = rooms[name], "chat." + name
        history = list(self.room.messages)
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.send_json({"type": "history", "messages": history})
        self.room.users[self.user] += 1
        await self.tell_room({"type": "join", "user": self.user, "users": self.users()})

    async def disconnect(self, code):
        if self.room is None:
            return
        await self.channel_layer.group_discard(self.group, self.channel_name)
        self.room.users[self.user] -= 1
        await self.tell_room({"type": "leave", "user": self.user, "users": self.users()})

    async def receive(self, **frame):
        try:
            await super().receive(**frame)
        except (ValueError, TypeError, KeyError):
            # Binary, or not the chat's JSON. Left to the server, the exception would end the
            # consumer without its disconnect(), and the user would stay in the room.
            await self.close(code=4400)

    async def receive_json(self, content):
        match content["type"]:
            case "message":
                message = {"user": self.user, "text": content["text"]}
                self.room.messages.append(message)
                await self.tell_room({"type": "message", **message})
            case "bye":
                await self.close(code=4000)
            case _:
                raise ValueError("unknown type")

    def users(self):
        return sorted(+self.room.users)

    async def tell_room(self, event):
        await self.channel_layer.group_send(self.group, {"type": "tell", "event": event})

    async def tell(self, message):
        await self.send_json(message["event"])
