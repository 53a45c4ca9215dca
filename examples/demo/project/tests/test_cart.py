from shop.cart import Cart


def test_an_empty_cart_costs_nothing() -> None:
    assert Cart().total() == 0


def test_quantities_count() -> None:
    cart = Cart()
    cart.add("tea", 250, quantity=3)
    cart.add("cup", 800)

    assert cart.total() == 1550


def test_a_discount_is_on_the_whole_cart() -> None:
    cart = Cart()
    cart.add("pot", 2000)

    assert cart.total(discount=10) == 1800
