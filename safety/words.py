"""Words of challenge phrases: common, easy to spell and say, none of them charged. No accents, for every keyboard."""

from __future__ import annotations

ENGLISH = """
amber anchor apple autumn basket beacon blossom bridge butter candle canyon carpet castle cedar cherry cloud clover
copper coral cotton desert dolphin eagle ember falcon feather forest garden ginger glacier harbor harvest hazel
honey island ivory jasmine kettle ladder lantern lemon maple marble meadow mirror morning mountain needle ocean
olive orange orchard paper pebble pepper planet pocket rabbit river saddle silver summer thunder violet
"""
FRENCH = """
abeille abricot amande ananas argent automne avion balcon bateau bijou bougie cabane cadeau canard carotte cerise
chapeau cheval citron colline corbeau cuivre dauphin dragon dune escalier farine fenetre fleur foret fraise fromage
galet girafe hibou horloge jardin journal lampe lavande lettre lumiere marron matin miroir montagne mouton nuage
olive orage oreiller panier papier pinceau plage plume pomme prairie renard ruban sable tambour tulipe village
"""
WORDS = {"en": ENGLISH.split(), "fr": FRENCH.split()}
