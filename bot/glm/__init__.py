"""The GLM-Image API of ZhiPu: sizes, one paid call, one download."""
