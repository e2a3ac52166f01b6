"""A Feishu and Lark bot that makes images with ZhiPu's GLM-Image API."""
