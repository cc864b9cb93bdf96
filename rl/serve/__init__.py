"""``t2rl serve``: an OpenAI-compatible endpoint that spends a planned number of samples on each request.

```
request ──► gate (bounded, timed) ──► prompt and hints ──► plan: strategy, k
                                                                  │
response ◄── strategy under a hard token budget ◄─────────────────┘
                       └─ engines (shared), verifier pool
```
Engines, sampling and rewards are those of training and evaluation (``rl.engines.decode``).
"""
