"""What models cost: a table in the policy, or in a file; and digests that older proofs name."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from autopack.errors import InvalidInput
from autopack.policy.policy import load_policy
from autopack.policy.prices import Price, load_prices

TEXT = "version: 1\nprices: {m: {input: 3, output: 1.5}}\n"


def test_a_price_is_for_a_million_tokens() -> None:
    assert load_policy(TEXT).prices == {"m": Price(3.0, 1.5)}
    assert Price(3.0, 1.5).usd(1_000_000, 2_000_000) == 6.0
    assert Price(0.0, 0.0).usd(10, 10) == 0.0


def test_a_file_is_written_as_the_policy_writes_them(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(TEXT)
    assert load_prices(tmp_path / "prices.yaml") == load_policy(TEXT).prices


@pytest.mark.parametrize(
    "price",
    ["{input: 3}", "{input: 3, output: -1}", "{input: free, output: 1}", "{input: .nan, output: 1}", "1"],
)
def test_half_a_price_is_none(price: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"prices\.m"):
        load_policy(f"version: 1\nprices: {{m: {price}}}\n")
    (tmp_path / "prices.yaml").write_text(f"version: 1\nprices: {{m: {price}}}\n")
    with pytest.raises(InvalidInput, match="PRICES_INVALID"):
        load_prices(tmp_path / "prices.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"SETTING_INVALID.*nowhere\.yaml"):
        load_prices(tmp_path / "nowhere.yaml")


def test_what_a_policy_does_not_use_does_not_change_the_digest_that_older_proofs_name() -> None:
    model = "version: 1\nbuilders: {l: {kind: model, model: m, endpoint: 'http://x/v1'}}\n"
    policy = load_policy(model)
    before = asdict(policy)
    del before["prices"], before["audit"]["licenses"]
    del before["builders"]["l"]["api"], before["builders"]["l"]["stronger"]
    canonical = json.dumps(before, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert policy.digest == hashlib.sha256(canonical.encode()).hexdigest()
    others = (model + "prices: {m: {input: 0, output: 0}}\n", model.replace("kind", "api: anthropic, kind"))
    assert len({policy.digest, *(load_policy(text).digest for text in others)}) == 3
