"""Uploads in folders, and documents as a file manager shows them: by folder, sorted, one by one."""

from functools import partial
from io import BytesIO

import pytest
from api_server import configured, database_of, machine, running

from stores.connection import make_engine, run_transaction
from stores.jobs import Jobs
from stores.registry.schema import migrate
from stores.uploaded_files import UploadedFiles


@pytest.fixture(scope="module", params=["database", "directory"])
def api(request, server, embeddings, models, tmp_path_factory):
    """A server that keeps uploads in its database, and one that does so in a directory."""
    folder = tmp_path_factory.mktemp("folders")
    serve = {"uploads": folder / "uploads"} if request.param == "directory" else {}
    with database_of(server) as url:
        config = configured(url, folder, embeddings, models, serve=serve)
        with running(config) as api:
            api.kb.index()
            yield api


def upload(api, folder, name, content="# Words\n\nSome words.", **fields):
    data = {"folder": folder, **fields}
    return api.client.post("/api/documents", files=[("files", (name, content))], data=data)


def put(api, folder, name, content="# Words\n\nSome words."):
    reply = upload(api, folder, name, content)
    assert reply.status_code == 202, reply.json()
    assert api.finished(reply.json()["job"])["status"] == "done"
    return reply.json()["documents"][0]["path"]


def remove(api, *paths):
    for path in paths:
        assert api.client.delete(f"/api/documents/uploads/{path}").json()["file_deleted"]


def listed(api, **query):
    told = api.client.get("/api/documents", params={"root": "uploads", **query}).json()
    folders = [(each["name"], each["documents"]) for each in told["folders"]]
    return [each["path"] for each in told["documents"]], folders


def test_files_are_kept_in_their_folders_and_the_folders_go_with_the_last_one(api):
    assert put(api, "trip/day one/", "map.md") == "trip/day one/map.md"
    assert put(api, "\\trip//day two", "map.md") == "trip/day two/map.md"
    original = api.client.get("/api/documents/uploads/trip/day one/map.md/original")
    assert original.text.startswith("# Words")
    assert upload(api, "trip/day one", "map.md").json()["paths"] == ["trip/day one/map.md"]
    assert listed(api, folder="/") == ([], [("trip", 2)])
    assert listed(api, folder="trip") == ([], [("day one", 1), ("day two", 1)])
    assert listed(api, folder="/trip/day one/") == (["trip/day one/map.md"], [])
    assert listed(api, folder="trip", search="map")[0] == [
        "trip/day one/map.md",
        "trip/day two/map.md",
    ]
    remove(api, "trip/day one/map.md", "trip/day two/map.md")
    assert put(api, "", "trip.md") == "trip.md"
    remove(api, "trip.md")
    if uploads := api.kb.config.serve.uploads:
        assert [each for each in uploads.iterdir() if each.is_dir()] == []


@pytest.mark.parametrize("folder", ["..", "a/../b", ".", "a/./b", "a/\u200b", "x/" * 400])
def test_a_folder_that_leads_elsewhere_or_is_too_long_is_refused(api, folder):
    refused = upload(api, folder, "x.md")
    assert refused.status_code == 422
    assert listed(api) == ([], [])


def test_hidden_folders_and_those_with_marks_of_like_are_kept_as_what_they_show(api):
    assert put(api, ".ssh/100%", "a_b.md") == "ssh/100%/a_b.md"
    assert put(api, "ssh/100x", "c.md") == "ssh/100x/c.md"
    assert listed(api, folder="ssh/100%") == (["ssh/100%/a_b.md"], [])
    remove(api, "ssh/100%/a_b.md", "ssh/100x/c.md")


def test_a_file_and_a_folder_of_one_name_are_not_kept_beside_each_other(api):
    put(api, "", "report.md")
    inside = upload(api, "report.md/more", "x.md", replace="true")
    assert (inside.status_code, inside.json()["code"]) == (409, "file_in_the_way")
    remove(api, "report.md")
    put(api, "report.md", "x.md")
    beside = upload(api, "", "report.md", replace="true")
    assert (beside.status_code, beside.json()["code"]) == (409, "file_in_the_way")
    assert "paths" not in beside.json()
    remove(api, "report.md/x.md")


def test_documents_are_sorted_by_each_column_both_ways(api):
    for name, words in (("b.md", 400), ("a.md", 20), ("c.md", 1)):
        put(api, "sorted", name, "# Title\n\n" + "Words and more of them. " * words)
    broken = upload(api, "sorted", "d.pdf", b"\x00 none")
    api.finished(broken.json()["job"])

    def order(sort, **query):
        paths, _ = listed(api, folder="sorted", sort=sort, **query)
        return "".join(path.removeprefix("sorted/")[0] for path in paths)

    assert order("name") == "abcd"
    assert order("name", descending=True) == "dcba"
    assert order("size", descending=True) == "bacd"
    assert order("passages", descending=True)[0] == "b"
    assert order("indexed", descending=True)[:3] == "cab"
    assert order("status", descending=True)[0] == "d"
    assert order("name", limit=2, offset=1) == "bc"
    assert api.client.get("/api/documents?sort=path").status_code == 422
    remove(api, *(f"sorted/{name}" for name in ("a.md", "b.md", "c.md", "d.pdf")))


def test_a_document_is_told_with_its_passages_page_by_page(api):
    put(
        api, "", "long.md", "".join(f"# Part {n}\n\n{f'Words of {n}. ' * 60}\n\n" for n in range(9))
    )
    address = "/api/documents/uploads/long.md/passages"
    told = api.client.get(address).json()
    assert (told["path"], told["status"], len(told["passages"])) == (
        *("long.md", "indexed"),
        told["chunks"],
    )
    assert told["passages"][0]["metadata"]["path"] == "long.md"
    some = api.client.get(address, params={"offset": 2, "limit": 3}).json()
    assert some["passages"] == told["passages"][2:5]
    assert api.client.get("/api/documents/uploads/none.md/passages").status_code == 404
    remove(api, "long.md")


def test_a_document_tells_its_readers_which_of_their_questions_it_answered(api):
    address = "/api/documents/documents/returns.md/questions"
    one, two = api.with_key("one"), api.with_key("two")
    try:
        question = {"message": "When do goods go back?", "turn_id": "t1", "source": "documents"}
        assert one.post("/api/sessions/mine/turns", json=question).json()["citations"]
        [told] = one.get(address).json()
        assert {key: told[key] for key in ("session_id", "turn_id", "question")} == {
            "session_id": "mine",
            "turn_id": "t1",
            "question": "When do goods go back?",
        }
        assert two.get(address).json() == []
        assert one.get("/api/documents/documents/kettle.md/questions").json() == []
        limited = api.with_key("limited", collections=["uploads"])
        assert limited.get(address).status_code == 404
        assert limited.get(address.replace("questions", "passages")).status_code == 404
    finally:
        api.forget_keys()


def test_the_most_that_an_upload_may_have_is_told(api):
    assert api.client.get("/api/status").json()["max_upload_mb"] == 50


def test_files_of_one_key_wait_in_one_job_as_long_as_nobody_does_it(server):
    with database_of(server) as url:
        engine = make_engine(url)
        migrate(engine)
        jobs = Jobs(engine)

        def add(name, **settings):
            return jobs.add("", root="uploads", only_files=[name], **settings).id

        first = add("a.md", asked_by="ana")
        assert add("b.md", asked_by="ana") == add("a.md", asked_by="ana") == first
        assert jobs.one(first).only_files == ["a.md", "b.md"]
        others = [add("c.md"), add("c.md", asked_by="ben"), add("c.md", asked_by="ana", retry=True)]
        everything = jobs.add("", root="uploads", asked_by="ana").id
        assert len({first, everything, *others}) == 5
        assert jobs.one(everything).only_files is None
        taken = jobs.take("me")
        assert taken is not None
        assert taken.id == first
        assert add("d.md", asked_by="ana") != first
        many = {add(f"{number}.md", asked_by="many") for number in range(120)}
        assert [len(jobs.one(each).only_files or ()) for each in sorted(many)].count(50) == 2
        engine.dispose()


def test_what_became_a_file_and_a_folder_in_one_moment_stops_no_other(server, embeddings, tmp_path):
    with database_of(server) as url, machine(url, tmp_path / "a", embeddings) as api:
        files = UploadedFiles(api.kb.components.engine)
        for path in ("x.md", "x.md/y.md", "z.md"):
            run_transaction(files.engine, partial(files.put, path=path, source=BytesIO(b"# W")))
        job = api.finished(api.client.post("/api/jobs", json={"root": "uploads"}).json())
        assert (job["status"], job["report"]["added"]) == ("done", 2)
        assert [failure["path"] for failure in job["report"]["failed"]] == ["x.md/y.md"]
