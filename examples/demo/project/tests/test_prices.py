from shop.prices import discounted, with_tax


def test_a_discount_is_taken_off() -> None:
    assert discounted(1000, 25) == 750


def test_half_a_cent_is_rounded_up() -> None:
    assert discounted(999, 50) == 500


def test_no_discount_changes_nothing() -> None:
    assert discounted(1234, 0) == 1234


def test_tax_is_added() -> None:
    assert with_tax(1000, 19) == 1190
