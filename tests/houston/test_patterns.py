"""The page with every component is for whoever works on them."""


def test_patterns_show_every_component_in_debug_mode(developer_client, settings):
    settings.DEBUG = True

    page = developer_client.get("/ui/").content.decode()

    assert "<h1>Patterns</h1>" in page
    assert 'data-state="Marked Undeployed"' in page
    assert "This field is required" in page


def test_patterns_are_not_there_otherwise(developer_client):
    assert developer_client.get("/ui/").status_code == 404
