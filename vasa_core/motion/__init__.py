"""From speech to motion latents."""
