"""A figure: a body with its skin, hair and clothes, ready to be drawn."""

import numpy as np

from posedistill.synth.backgrounds import Backgrounds
from posedistill.synth.body import Body
from posedistill.synth.clothes import foot_coverage
from posedistill.synth.fabrics import draw_fabric
from posedistill.synth.hair import draw_hair, draw_style
from posedistill.synth.headwear import draw_glasses, draw_headwear
from posedistill.synth.looks import draw_look, paint_skin, skin_meshes
from posedistill.synth.mesh import Mesh
from posedistill.synth.outfits import draw_outfit, dressed
from posedistill.synth.shoes import draw_shoes
from posedistill.synth.skirts import draw_skirt
from posedistill.synth.textures import Material, Palette
from posedistill.synth.wearer import Wearer, make_wearer


def draw_figure(
    rng: np.random.Generator,
    body: Body,
    *,
    palette: Palette,
    owner: int,
    backgrounds: Backgrounds,
) -> list[Mesh]:
    """Draw the looks of a person and give their meshes; materials go into the palette."""
    is_male = is_male_body(body)
    wearer = make_wearer(body, palette=palette, owner=owner)
    look = draw_look(rng, is_male=is_male)
    fabric = draw_fabric(rng, palette, backgrounds=backgrounds)
    hats = draw_headwear(rng, fabric)
    garments = draw_outfit(rng, palette, is_male=is_male, backgrounds=backgrounds)
    clothes, hidden = dressed(wearer, [*garments, *hats])
    if rng.random() < 0.75:
        height = rng.uniform(-0.04, 0.01)
        clothes += draw_shoes(rng, wearer, height=height)
        hidden = np.maximum(hidden, foot_coverage(height=height))
    skin = skin_meshes(wearer, look, colors=paint_skin(rng, look), hidden=hidden)
    hair = draw_hair(rng, wearer, look=look, style=draw_style(rng, is_male=is_male), hidden=hidden)
    return [*skin, *clothes, *hair, *_extras(rng, wearer, fabric=fabric, is_male=is_male)]


def _extras(
    rng: np.random.Generator, wearer: Wearer, *, fabric: Material, is_male: bool
) -> list[Mesh]:
    """Draw a skirt or a coat's tails, and glasses, for those who wear them."""
    meshes = []
    if rng.random() < (0.03 if is_male else 0.3):
        length = rng.uniform(0.35, 1.0) if rng.random() < 0.7 else rng.uniform(1.0, 1.9)
        meshes.append(draw_skirt(rng, wearer, material=fabric, length=length))
    elif rng.random() < 0.06:
        tails = draw_skirt(rng, wearer, material=fabric, length=rng.uniform(0.2, 1.2), is_coat=True)
        meshes.append(tails)
    if rng.random() < 0.2:
        meshes.extend(draw_glasses(rng, wearer))
    return meshes


def is_male_body(body: Body) -> bool:
    """Say whether a body is a man's: flat-chested and grown up."""
    phenotype = body.person.phenotype
    return phenotype.get("gender", 0.5) < 0.5 and phenotype.get("age", 0.7) > 0.4
