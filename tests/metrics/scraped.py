"""What the tests of metrics have in common."""

from prometheus_client.parser import text_string_to_metric_families


def samples_of(families):
    """The values of samples by ``name`` or ``name{label="value"}``; each may be there only once."""
    found = {}
    for sample in (sample for family in families for sample in family.samples):
        labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
        key = f"{sample.name}{{{labels}}}" if labels else sample.name
        assert key not in found, f"{key} is there twice"
        found[key] = sample.value
    return found


def samples_in(text):
    """The samples of a scrape."""
    return samples_of(text_string_to_metric_families(text))
