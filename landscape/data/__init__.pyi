from .augmentation import augmented_pixels as augmented_pixels
from .images import DomainImages as DomainImages, load_images as load_images
from .layouts import full_domain_name as full_domain_name
from .minibatches import Minibatch as Minibatch, Minibatches as Minibatches
from .normalisation import normalise as normalise
from .splits import Split as Split, split_images as split_images
from .task import Task as Task, open_task as open_task
