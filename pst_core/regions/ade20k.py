"""Which classes of ADE20K are one thing to a colour transfer, and what can stand in for what.

Luan et al. ("Deep Photo Style Transfer", CVPR 2017, section 3) segment with ADE20K's 150 classes (Zhou et
al., "Scene Parsing through ADE20K Dataset", CVPR 2017) and let labels that only the content has take others
that mean the same in this context, such as lake and sea. Here each class is in one group, by what light and
weather do to it and what it is made of, and groups have an order of others that are nearest to them.
"""

GROUPS: dict[str, tuple[str, ...]] = {
    "sky": ("sky",),
    "water": ("water", "sea", "river", "lake", "swimming pool", "waterfall", "fountain"),
    "greenery": ("tree", "grass", "plant", "flower", "palm", "field"),
    "mountain": ("mountain", "hill", "rock"),
    "ground": (
        "road", "sidewalk", "path", "earth", "sand", "dirt track", "land", "runway", "pier",
    ),
    "building": (
        "building", "house", "skyscraper", "hovel", "tower", "bridge", "grandstand", "booth", "awning",
        "canopy", "column", "stairs", "stairway", "step", "escalator", "railing", "bannister", "fence",
        "tent",
    ),
    "vehicle": ("car", "bus", "truck", "van", "minibike", "bicycle", "airplane"),
    "boat": ("boat", "ship"),
    "person": ("person", "apparel"),
    "animal": ("animal",),
    "sign": ("signboard", "trade name", "bulletin board", "flag", "pole", "traffic light"),
    "wall": ("wall",),
    "ceiling": ("ceiling",),
    "floor": ("floor", "rug", "stage"),
    "door": ("door", "screen door"),
    "window": ("windowpane", "glass", "mirror"),
    "curtain": ("curtain", "blind"),
    "furniture": (
        "cabinet", "table", "chair", "shelf", "desk", "wardrobe", "chest of drawers", "counter", "countertop",
        "bookcase", "coffee table", "bench", "kitchen island", "swivel chair", "buffet", "stool", "bar",
        "pool table", "cradle", "case", "base",
    ),
    "upholstery": ("sofa", "armchair", "seat", "ottoman", "bed", "pillow", "cushion", "blanket", "towel"),
    "light": ("lamp", "light", "chandelier", "sconce", "streetlight"),
    "picture": ("painting", "poster"),
    "screen": ("computer", "television receiver", "crt screen", "monitor", "screen", "arcade machine"),
    "appliance": (
        "refrigerator", "stove", "oven", "microwave", "dishwasher", "washer", "hood", "radiator", "fireplace",
        "fan", "sink", "bathtub", "toilet", "shower", "conveyer belt", "tank",
    ),
    "objects": (
        "box", "book", "bottle", "plaything", "barrel", "basket", "bag", "ball", "food", "pot", "sculpture",
        "vase", "tray", "ashcan", "plate", "clock",
    ),
}  # fmt: skip
"""Group -> classes; 150 together."""

NEAREST: dict[str, tuple[str, ...]] = {
    "greenery": ("mountain", "ground"),
    "mountain": ("greenery", "ground"),
    "ground": ("floor", "mountain", "greenery"),
    "floor": ("ground",),
    "building": ("wall",),
    "wall": ("building", "ceiling"),
    "ceiling": ("wall",),
    "door": ("wall", "building"),
    "window": ("wall", "building"),
    "curtain": ("window", "wall"),
    "sign": ("building", "wall"),
    "picture": ("wall",),
    "boat": ("vehicle",),
    "vehicle": ("boat",),
    "furniture": ("objects", "upholstery"),
    "upholstery": ("furniture", "curtain"),
    "objects": ("furniture",),
    "appliance": ("furniture", "objects"),
    "screen": ("appliance", "furniture"),
}
"""Group -> groups whose look it can take, the nearest first, where the style lacks it."""
