"""Stand-ins of Feishu and of the GLM API on loopback, with a chat page; they import nothing of the bot but the SDK."""
