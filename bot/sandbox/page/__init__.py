"""The chat page of the sandbox: a Feishu chat in the browser, on loopback only."""
