"""The HTML page of the rows that compress: what a shop made with a web framework sends.

One function makes it, always the same for the same token, in exactly 50 KiB. The words are drawn
as in a real text, few of them often and most of them seldom; the digits and hashes of names,
prices and pictures do not shrink, the tags around them do. gzip makes a fifth of it.
"""

import random

SIZE = 50 << 10

# The token is in these many places, from the first lines to the last.
TOKENS = 4

# In the page that never changes, where `page` would have a new one for each request.
FIXED_TOKEN = "5f3c1e9ab2d84760a1f0c7e36b9d2854"

# From common to rare.
WORDS = """
the of and to a in for with is on that by this from it are at or as an be your our has you not we
can which more all new have one its was but will also two made their first they these any only
when over after up so out than other no each every into most very about some time used well good
through size both water light colour small large without may where soft three use set high easy
ideal between wood steel natural table cotton kitchen home room years care design warm black white
red green blue long hand under back same right left keep place work comes surface material garden
quality including glass leather grey chair house simple during just perfect four top strong fine
classic clean since lamp oak metal feel evening choose fabric around part because available
special round space day inside outside dry cover delivery washing machine free even still while
wool price customers family summer winter once together storage remove box edge finish style open
board cup wide weight further children cold fresh food hot finished modern line solid bag bed
bottle shelf brush rest deep paper wall window number order return months before base frame coffee
tea oil ceramic stone bowl linen silver plate drawer brown desk knife pocket cushion basket clock
handle comfortable morning carpet recycled blanket bright mirror corner travel gift shirt pan
candle curtain bench sofa towel spring autumn lid seat thick thin durable bamboo cork bread door
craft polished walnut workshop stripes pattern flower yellow cream copper brass rope thread zip
button sleeve hook bucket ladder balcony terrace bathroom office nursery cellar attic hallway
bicycle helmet lantern compass notebook pencil envelope ruler scissors needle apron mug jug kettle
teapot saucer spoon fork whisk grater sieve skillet casserole trivet napkin placemat vase planter
trowel rake shears hose sprinkler hammock parasol cooler thermos backpack wallet umbrella scarf
glove slipper pyjamas bathrobe pillow duvet mattress headboard wardrobe dresser bookcase footstool
armchair rug tapestry quilt velvet corduroy flannel tweed denim enamel porcelain marble granite
slate terracotta rattan wicker beech birch maple cherry larch cedar willow eucalyptus lavender
cinnamon juniper honey almond hazelnut saffron indigo turquoise burgundy charcoal ivory olive
mustard crimson emerald
""".split()

SECTIONS = ["Kitchen", "Living room", "Bedroom", "Bathroom", "Garden", "Office", "Children",
            "Travel", "Lighting", "Textiles", "Gifts", "Sale"]

PLACES = ["Lisbon", "Ghent", "Tartu", "Graz", "Bergen", "Porto", "Utrecht", "Turin", "Brno"]


class Writer:
    """Words and numbers out of a seed.

    Of the module random only `random()` gives the same numbers in every version of Python.
    """

    def __init__(self, seed):
        self.random = random.Random(seed).random

    def below(self, end):
        return int(self.random() * end)

    def one_of(self, things):
        return things[self.below(len(things))]

    def words(self, count):
        # The cube prefers the front of the list about as strongly as English does.
        return " ".join(WORDS[int(len(WORDS) * self.random() ** 3)] for _ in range(count))

    def name(self):
        rare = [self.one_of(WORDS[100:]) for _ in range(2 + self.below(3))]
        return " ".join(rare).capitalize()

    def sentence(self):
        return self.words(7 + self.below(12)).capitalize() + "."

    def hexadecimal(self, digits):
        return "".join(self.one_of("0123456789abcdef") for _ in range(digits))


def page(token=FIXED_TOKEN):
    """The page as bytes. `token` has 32 characters."""
    assert len(token) == len(FIXED_TOKEN)
    writer = Writer(50)
    text, end = head(writer, token), foot(writer, token)
    while True:
        card = product(writer)
        if len(text) + len(card) + len(end) > SIZE - 100:
            break
        text += card
    text += filler(writer, SIZE - len(text) - len(end)) + end
    data = text.encode("ascii")
    assert len(data) == SIZE and text.count(token) == TOKENS
    return data


def head(writer, token):
    styles = "".join(
        f'<link rel="stylesheet" href="/static/css/{name}.{writer.hexadecimal(12)}.css">\n'
        for name in ("base", "grid", "shop"))
    sections = "".join(
        f'    <li class="nav-item"><a class="nav-link" href="/{slug(name)}/">{name}</a></li>\n'
        for name in SECTIONS)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="csrf-token" content="{token}">
<title>{writer.name()} and more in our shop</title>
<meta name="description" content="{writer.sentence()} {writer.sentence()}">
{styles}<script src="/static/js/shop.{writer.hexadecimal(12)}.js" defer></script>
</head>
<body class="page page-list">
<header class="header">
  <a class="logo" href="/"><svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">\
<path d="M3 9l9-6 9 6v11a1 1 0 0 1-1 1h-5v-7H9v7H4a1 1 0 0 1-1-1z"/></svg> Shop</a>
  <nav class="navbar" aria-label="Sections"><ul class="nav">
{sections}  </ul></nav>
  <form class="search" action="/search/" method="post">
    <input type="hidden" name="csrfmiddlewaretoken" value="{token}">
    <input type="search" name="q" placeholder="What are you looking for?" autocomplete="off">
    <button type="submit" class="button">Search</button>
  </form>
</header>
<main class="content">
<h1>{writer.name()}</h1>
<p class="lead">{writer.sentence()} {writer.sentence()}</p>
<ul class="products">
"""


def product(writer):
    name = writer.name()
    number = 10_000 + writer.below(990_000)
    price = f"{3 + writer.below(400)}.{writer.one_of(['00', '50', '90', '95', '99'])}"
    labels = ""
    if writer.below(4) == 0:
        labels = f'\n    <span class="badge badge-sale">-{5 * (1 + writer.below(8))} %</span>'
    if writer.below(6) == 0:
        labels += '\n    <span class="badge badge-new">New</span>'
    text = " ".join(writer.sentence() for _ in range(1 + writer.below(3)))
    stock = writer.one_of(["In stock", "In stock", "In stock", "Only a few left",
                           f"Ready in {2 + writer.below(12)} days"])
    rating = f"{3 + writer.below(2)}.{writer.below(10)}"
    sku = writer.hexadecimal(8).upper()
    return f"""  <li class="product" id="product-{number}" data-sku="{sku}">
    <a class="product-link" href="/products/{slug(name)}-{number}/">\
<img class="product-image" loading="lazy" src="/media/products/{writer.hexadecimal(16)}.jpg" \
alt="{name}" width="320" height="240"></a>{labels}
    <h2 class="product-title"><a href="/products/{slug(name)}-{number}/">{name}</a></h2>
    <p class="product-text">{text}</p>
    <p class="product-facts"><span class="maker">{writer.one_of(PLACES)}</span> \
<span class="rating" title="{rating} of 5">{rating} ({1 + writer.below(900)})</span> \
<span class="stock">{stock}</span></p>
    <p class="product-price"><span class="price">&euro; {price}</span> \
<button type="button" class="button button-buy" data-product="{number}">Add to basket</button></p>
  </li>
"""


def foot(writer, token):
    links = "".join(
        f'    <li><a href="/about/{slug(name)}/">{name}</a></li>\n'
        for name in ("Delivery", "Returns", "Payment", "Contact", "Imprint", "Privacy"))
    return f"""</main>
<footer class="footer">
  <ul class="footer-links">
{links}  </ul>
  <form class="newsletter" action="/newsletter/" method="post">
    <input type="hidden" name="csrfmiddlewaretoken" value="{token}">
    <label for="email">{writer.sentence()}</label>
    <input type="email" name="email" id="email" placeholder="you@example.org" required>
    <button type="submit" class="button">Subscribe</button>
  </form>
</footer>
<script type="application/json" id="state">{{"session": "{token}", "currency": "EUR", \
"language": "en", "basket": {{"items": [], "total": "0.00"}}}}</script>
</body>
</html>
"""


def filler(writer, size):
    """Ends the list, with a text that is as long as it takes."""
    start, end = '</ul>\n<p class="note">', "</p>\n"
    text = writer.words(size)[:size - len(start) - len(end)]
    return start + text + end


def slug(name):
    return name.lower().replace(" ", "-")
