from fvcore.common.registry import Registry

DATASET_REGISTRY = Registry("DATASET")


def build_dataset(name, cfg, split):
    return DATASET_REGISTRY.get(name.capitalize())(cfg, split)
