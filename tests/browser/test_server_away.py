"""A server that ends and is started again, before a browser that stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from fmnist_core.runs import client
from fmnist_core.settings.config import TrainingConfig
from tests.browser.conftest import free_port, settled, start_server, wait_for
from tests.runs.lab import PATIENCE


@pytest.mark.thorough
def test_the_first_click_after_a_restart_is_heard(browser: Browser, runs: Path, tmp_path: Path):
    """The session is a new one, which knows the page's buttons all the same: Stop stops the run."""
    run_id = client.start(TrainingConfig(batch_size=20, epochs=100), "Not lost")
    wait_for(run_id, "running")
    port = free_port()
    server = start_server(port, tmp_path / "log")
    context = browser.new_context(base_url=f"http://127.0.0.1:{port}")
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    try:
        page.goto(f"/train?run={run_id}")
        settled(page)
        server.kill()
        server.wait()
        page.wait_for_timeout(1000)
        with page.expect_websocket():
            server = start_server(port, tmp_path / "log")
        page.wait_for_timeout(2000)
        settled(page)
        page.get_by_role("button", name="Stop", exact=True).click()
        assert wait_for(run_id, "stopped", "finished").state == "stopped"
    finally:
        context.close()
        server.terminate()
        server.wait(PATIENCE)
        if client.get(run_id).is_active:
            client.stop(run_id)
