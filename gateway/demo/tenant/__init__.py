"""The stand-in for a tenant of Entra ID: its people, and the part of Microsoft's cloud that the copy in gateway/entra
talks to, on loopback HTTPS. Tests and the demo use it; nothing of the gateway's own is in it."""
