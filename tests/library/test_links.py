"""Links that leave the portal: their form always, their other end when somebody asks."""

from threading import Lock

import pytest
from flask import Flask

from portal.library import links
from portal.library.links import NO_ANSWER, Verdict
from portal.library.pages import Library
from tests.live import free_port
from tests.pages import Visitor

GOOD = "https://a.example/x"


class Web:
    """A web of a few answers; remembers who asked what."""

    def __init__(self, answers: dict[tuple[str, str], int]) -> None:
        self.answers, self.asked, self.lock = answers, [], Lock()

    def __call__(self, method: str, address: str) -> Verdict:
        with self.lock:
            self.asked.append((method, address))
        return Verdict(address, self.answers.get((method, address), NO_ANSWER), "no such host")


def test_every_outside_link_of_the_texts_is_well_formed(library: Library) -> None:
    found = links.outside(library)

    assert len(found) > 50
    assert {address: faults for address in found if (faults := links.faults_of(address))} == {}


def test_the_list_knows_who_links_where(library: Library) -> None:
    found = links.outside(library)

    assert found["https://ldnresearchtrust.org/"] == ("/links",)
    assert "/prescribers/evidence" in found["https://doi.org/10.1016/S2665-9913(23)00278-3"]


@pytest.mark.parametrize(
    "path", ["/", "/links", "/prescribers/summary", "/prescribers/references", "/patients"]
)
def test_every_outside_link_of_a_page_is_on_the_list_and_gives_nothing_away(
    path: str, library: Library, professional: Visitor
) -> None:
    known = links.outside(library)

    for link in professional.open(path).soup.select("a[href^='http']"):
        assert link["href"] in known, link["href"]
        assert {"noopener", "noreferrer"} & set(link["rel"]), link["href"]
        assert "target" not in link.attrs


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("http://a.example/", "is not https"),
        ("https://localhost/", "names no plain host"),
        ("https://me@a.example/", "names no plain host"),
        ("https://a.example:8443/", "names no plain host"),
        ("https://a.example/é", "is not percent-encoded"),
        ("https://a.example/a b", "is not percent-encoded"),
        ("https://a.example/?user=7", "asks a question that is not on the list"),
        ("https://pubmed.ncbi.nlm.nih.gov/?term=ldn&from=us", "asks a question that is not on the list"),
        ("https://www.facebook.com/groups/x", "leads where patients would show their health"),
    ],
)
def test_a_malformed_link_is_named(address: str, fault: str) -> None:
    assert fault in links.faults_of(address)
    assert not links.faults_of(GOOD)


def test_a_head_that_is_answered_is_enough() -> None:
    web = Web({("HEAD", GOOD): 200})

    assert links.check(GOOD, web).is_good
    assert web.asked == [("HEAD", GOOD)]


@pytest.mark.parametrize("first", [405, 404, 403, NO_ANSWER])
def test_a_server_that_answers_no_head_is_asked_again(first: int) -> None:
    web = Web({("HEAD", GOOD): first, ("GET", GOOD): 200})

    assert links.check(GOOD, web).is_good
    assert web.asked == [("HEAD", GOOD), ("GET", GOOD)]


@pytest.mark.parametrize(
    ("status", "is_dead", "words"),
    [
        (200, False, "good (200)"),
        (403, False, "look by hand (403)"),
        (429, False, "look by hand (429)"),
        (404, True, "dead (404)"),
        (410, True, "dead (410)"),
        (500, True, "dead (500)"),
    ],
)
def test_a_verdict_in_words(status: int, is_dead: bool, words: str) -> None:
    verdict = Verdict(GOOD, status)

    assert (verdict.is_dead, verdict.words) == (is_dead, words)


def test_a_page_that_moved_says_where_and_silence_says_why() -> None:
    assert Verdict(GOOD, 200, "https://b.example/").words == "good (200), now at https://b.example/"
    assert Verdict(GOOD, NO_ANSWER, "timed out").words == "no answer (timed out)"


def test_all_are_asked_in_order_and_one_answer_means_there_is_a_network() -> None:
    addresses = [f"https://a{number}.example/" for number in range(20)]

    verdicts = links.check_all(addresses, Web({("HEAD", addresses[7]): 404}))

    assert [verdict.address for verdict in verdicts] == addresses
    assert not links.is_offline(verdicts)
    assert links.is_offline(links.check_all(addresses, Web({})))


def test_an_address_that_nobody_serves_is_a_verdict_and_no_error() -> None:
    verdict = links.over_http("HEAD", f"https://127.0.0.1:{free_port()}/")

    assert verdict.status == NO_ANSWER and verdict.detail


@pytest.mark.parametrize(
    ("answers", "status", "said"),
    [({}, 2, "there is no network here"), ({"HEAD": 200}, 0, "0 dead."), ({"GET": 404}, 1, "dead (404)")],
)
def test_the_command_says_each_verdict_and_how_it_ended(
    answers: dict[str, int], status: int, said: str, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(method: str, address: str) -> Verdict:
        return Verdict(address, answers.get(method, NO_ANSWER), "")

    monkeypatch.setattr(links, "over_http", ask)

    done = app.test_cli_runner().invoke(args=["content", "links"])

    assert (done.exit_code, said in done.output) == (status, True), done.output
