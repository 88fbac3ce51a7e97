"""The colors of the house style. Each may be used only as its line in docs/methods/pages.md says."""

INK, SOFT, RULE, WASH, WHITE = "#1B2733", "#4A5763", "#C9D1D8", "#F3F6F8", "#FFFFFF"
BLUE, DEEP, GRAY = "#0072B2", "#004B78", "#5F6B76"
GREEN_TEXT, RUST_TEXT = "#00664B", "#9C4400"
ORANGE, SUN, SUN_LIGHT = "#E69F00", "#F7E3B0", "#FDF6E3"
PALE_BLUE, DOT_BLUE = "#E9F2F9", "#AFCFE6"
BANDS = ("#E3EEF6", "#AFCFE6", "#5FA0CE", "#0072B2", "#00375A")
BAND_TEXT = (INK, INK, INK, WHITE, WHITE)
THIRD, FOURTH = "#009E73", "#D55E00"
GRID = "#DDE3E8"


def luminance(color: str) -> float:
    """Relative luminance (WCAG 2.1) of "#RRGGBB"."""
    parts = (int(color[i:i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    """Contrast ratio (WCAG 2.1) of two colors, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
