"""The GLM-Image API of ZhiPu: one paid call, one download."""
