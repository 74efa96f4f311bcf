"""Terms of the loss that look at the image itself: edges, local affinity to the content, smoothness.

None of them is the paper's: evenness is ours, the others are what the compared methods add to equations (1)
and (2).
"""

from collections.abc import Callable

from torch import Tensor

from pst_core.settings.config import ComparedFeatures, LossSettings

Term = Callable[[Tensor], Tensor]


def needs_content(settings: ComparedFeatures) -> bool:
    """Whether a term compares the image with the content's pixels, or the content guides a filter."""
    terms = bool(settings.edge_weights), settings.matting_weight > 0, settings.evenness_weight > 0
    return any(terms) or settings.filter_inside


def make_image_term(content: Tensor | None, settings: LossSettings, round_index: int) -> Term | None:
    """The sum of the terms that the settings weigh, as a function of the image; None if there are none.

    Parameters
    ----------
    content : Tensor, shape (3, h, w), optional
        Needed if `needs_content`.
    round_index
        Round, from 0.
    """
    terms: list[Term] = []
    if settings.smoothness_weight > 0:
        terms.append(_smoothness(settings.smoothness_weight))
    if content is not None and settings.evenness_weight > 0:
        terms.append(_evenness(content, settings.evenness_weight))
    if content is not None and settings.edge_weights:
        terms.append(_edges(content, settings.edge_weights))
    if content is not None and settings.matting_weight > 0 and round_index + 1 >= settings.matting_from:
        terms.append(_matting(content, settings.matting_weight, settings.matting_epsilon))
    if not terms:
        return None
    return lambda image: sum((term(image) for term in terms[1:]), start=terms[0](image))


def _smoothness(weight: float) -> Term:
    from pst_core.optimisation.edges import total_variation

    return lambda image: weight * total_variation(image)


def _evenness(content: Tensor, weight: float) -> Term:
    from pst_core.optimisation.edges import unevenness

    return lambda image: weight * unevenness(image, content)


def _edges(content: Tensor, weights: dict[str, float]) -> Term:
    """Li et al. (2017): the Laplacians of both pooled images, at every pooling with its own weight."""
    from pst_core.optimisation.edges import edge_loss, image_laplacian

    wanted = {int(pool): image_laplacian(content, int(pool)) for pool in weights}

    def term(image: Tensor) -> Tensor:
        losses = [
            weight * edge_loss(image, {int(pool): wanted[int(pool)]}) for pool, weight in weights.items()
        ]
        return sum(losses[1:], start=losses[0])

    return term


def _matting(content: Tensor, weight: float, epsilon: float) -> Term:
    """Luan et al. (2017): how far the image is from being, window by window, affine in the content."""
    from pst_core.optimisation.matting import as_tensor, matting_energy, matting_laplacian

    laplacian = as_tensor(matting_laplacian(content.cpu().numpy(), epsilon=epsilon), content.device)
    pixels = content.shape[1] * content.shape[2]
    return lambda image: weight / pixels * matting_energy(image, laplacian)
