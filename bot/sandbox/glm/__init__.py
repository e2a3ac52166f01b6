"""The stand-in of the GLM-Image API."""
