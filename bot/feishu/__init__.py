"""The Feishu Open Platform, called through one pooled client."""
