from .curvature import plot_curvature as plot_curvature
from .embedding import plot_embedding as plot_embedding
from .fig4 import plot_fig4 as plot_fig4
from .fig6 import plot_fig6_row as plot_fig6_row
from .fig9 import plot_fig9 as plot_fig9
from .flatness import plot_curve as plot_curve, plot_flatness as plot_flatness
from .interactive import write_page as write_page
from .surface import plot_surface as plot_surface
