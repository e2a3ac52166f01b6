"""A Feishu and Lark bot that makes images with ZhiPu's GLM-Image API."""

__version__ = "0.1.0"
