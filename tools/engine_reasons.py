"""Why tests fail on an engine, where the reason is the engine's and was looked into."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_HIDDEN = "Podman does not tell which GPUs a container requested"
_OWNERS = "Podman does not keep the owners of files in archives, so that volumes are not copied"
_FORCED = "Podman removes the containers of an image that is removed by force"
_ROOTLESS = "Podman is also asked whether it is rootless"
_UNLISTED = "Podman does not list the containers of a build, for which the test waits"
_SHARED = "Podman refuses a size of shared memory together with the host's"
_SMALL = "Podman accepts any limit of memory, however small"
_BUILDER = "Podman builds with its own builder only"
_GOES_ON = "Podman runs the step of a build to its end, and the next build removes what that leaves"
_ACCOUNT = "Podman gives a container the host's user if its image lacks the account"
_IGNORED = "Podman before 5.4 ignores requests for GPUs, so mlc refuses them"
_NO_CGROUP = (
    "with cgroups version 1, as on this machine, a rootless container has no limits or statistics, "
    "and cannot be paused"
)
_KEEP_ID = (
    "a rootless engine cannot raise `memlock`, and maps the account to its user (`keep-id`), where "
    "AIME's command does neither"
)
_SIZES = "Podman 4.3 does not tell containers' sizes in its lists"
REASONS: Mapping[str, Mapping[str, str]] = {
    "rootless5": {
        "test_our_wrapper_creates_with_limits": _NO_CGROUP,
        "test_json_agrees_with_the_engine": _NO_CGROUP,
        "test_by_the_legacy_flow[ROCm]": _SHARED,
        "test_by_the_legacy_flow": _KEEP_ID,
        "test_from_a_labelled_image[ROCm]": _SHARED,
        "test_from_a_labelled_image": _KEEP_ID,
        "test_the_values_are_those_of_the_documentation": _KEEP_ID,
    },
    "rootless": {
        "test_the_container_has_the_user_the_workspace_and_the_gpus": "in a container that mlc "
        "does not create, as VS Code's, the user of a rootless engine is root, and the account a "
        "subordinate UID",
        "test_what_people_bring_is_installed": "in the test's own container the user of a rootless "
        "engine is root, and nobody else may write into the user's directory",
        "test_a_running_container_has_stats": _NO_CGROUP,
        "test_a_busy_container_is_seen_to_be_busy": _NO_CGROUP,
        "test_deploy_list_retire[plain": _NO_CGROUP,
        "test_logs_that_grow_with_the_uid_are_not_committed": "a rootless engine has one user",
        "test_a_paused_container_stops": _NO_CGROUP,
        "test_mounts_and_devices_of_a_container": "Podman does not list the devices of a rootless "
        "container",
        "test_rocm_devices_belong_to_the_group_video": "in a rootless container the host's devices "
        "belong to nobody",
    },
    "podman$": {
        "test_labels_that_aime_lacks_are_ours": _IGNORED,
        "test_our_wrapper_creates_with_limits": _IGNORED,
        "test_the_spellings_of_aimes_first_version": _IGNORED,
        "test_the_container_has_the_user_the_workspace_and_the_gpus": _IGNORED,
        "test_gpus_reach_the_engine_as_one_request": _IGNORED,
        "test_users_share_three_gpus_for_a_day": _IGNORED,
        "test_save_keeps_changes_and_sets_true_labels": "Podman 4.3 loses the quotation marks "
        "in labels when it commits",
        "test_each_flag_adds_its_column[-s": _SIZES,
        "test_several_flags_add_their_columns_in_aime_s_order": _SIZES,
        "test_all_shows_every_column": _SIZES,
        "test_both_outputs_can_be_caught_in_one_file": "a test in which Podman 4.3 refused `docker "
        "commit` left a container of the image",
        "test_a_killed_job_does_not_run_for_ever": "Podman 4.3 calls a command running until all "
        "that it started have ended",
        "test_a_sites_certificate_is_trusted_in_the_build_and_if_wanted_in_the_image[in-build": ""
        "Podman 4.3 loses the exit status of `docker run --rm`",
        "test_the_site_s_own_wrapper_creates": "Podman 4.3 has no `docker update`",
        "test_json_agrees_with_the_engine": "Podman 4.3 has no `docker update`",
        "test_after_exit_0_it_can_be_inspected_updated_and_stopped": "Podman 4.3 has no "
        "`docker update`",
    },
    "podman": {
        "test_a_container_that_cannot_start_is_not_left": _SMALL,
        "test_a_failing_wrapper_leaves_nothing": _SMALL,
        "test_an_image_that_does_not_run_as_the_user_is_not_kept": _ACCOUNT,
        "test_an_image_that_fails_its_check_does_not_get_the_name": _ACCOUNT,
        "test_no_step_of_the_classic_builder_follows_a_build_by_buildkit": _BUILDER,
        "test_buildx_builds_with_its_own_command": _BUILDER,
        "test_the_classic_builder_takes_an_index_but_no_password": _BUILDER,
        "test_a_builder_that_does_not_start_is_reported": _BUILDER,
        "test_a_missing_package_is_the_first_thing_said_and_its_line_is_named[classic]": _BUILDER,
        "test_private_git_uses_the_agent_of_the_caller": "Podman cannot lend an ssh "
        "agent to a build",
        "test_proxies_reach_every_step_and_are_not_in_the_image": "the history of an image that "
        "Podman builds names the proxy variables, without their values",
        "test_an_image_for_apptainer_and_for_enroot": "Podman puts its registry before the names "
        "in an archive",
        "test_ctrl_c_on_a_terminal": _GOES_ON,
        "test_a_terminal_that_closes": _GOES_ON,
        "test_an_interrupted_build_keeps_the_former_image": _GOES_ON,
        "test_a_killed_build_ends_and_the_next_leaves_nothing_of_it": _GOES_ON,
        "test_a_step_whose_image_is_made_after_a_kill_does_not_stay": _GOES_ON,
        "test_output_of_a_step_that_looks_like_the_builders_is_not_trusted": _GOES_ON,
        "test_pull_moves_a_base_with_what_comes_with_it_and_a_lock_brings_it_back": "Podman does "
        "not push to the test's registry, which has no TLS",
        "test_the_site_s_own_wrapper_creates": "`docker update` has no effect on Podman",
        "test_a_create_imports_no_more_than_it_uses": "more modules are needed for Podman",
        "test_three_engine_calls_and_nothing_but_the_container": _ROOTLESS,
        "test_the_account_is_built_once_and_shared": _ROOTLESS,
        "test_a_build_that_is_interrupted_leaves_nothing": _UNLISTED,
        "test_a_build_that_fails_leaves_no_image": _GOES_ON,
        "test_by_the_legacy_flow[ROCm]": _SHARED,
        "test_from_a_labelled_image[ROCm]": _SHARED,
        "test_no_set_up_no_commit_and_no_pull": _ROOTLESS,
        "test_users_share_three_gpus_for_a_day": "Podman has GPUs by CDI only, which "
        "the test's are not",
        "test_prune_removes_what_a_newer_base_left": "Podman knows no parent of an image that was "
        "built without its cache, and so keeps the nameless base",
        "test_the_spellings_of_aimes_first_version": _HIDDEN,
        "test_the_container_has_the_user_the_workspace_and_the_gpus": _HIDDEN,
        "test_docker_itself_can_import_the_file": "`docker import` prints no usable ID with Podman",
        "test_a_container_whose_image_is_gone_starts_and_gets_one_by_export_and_import": _FORCED,
        "test_a_saved_image_has_what_is_in_the_volumes": _OWNERS,
        "test_an_exported_container_has_what_is_in_the_volumes": _OWNERS,
        "test_a_volume_behind_an_absolute_link_is_the_users_or_refused": _OWNERS,
        "test_volumes_as_the_image_has_them_are_removed": _OWNERS,
        "test_a_directory_of_the_host_in_a_volume_is_not_copied": _OWNERS,
        "test_the_configuration_of_the_base_is_kept": "Podman's answers have no `Volumes` where an "
        "image has none",
        "test_existing_devices_are_passed": "Podman does not list the devices of a privileged "
        "container",
        "test_after_exit_0_it_can_be_inspected_updated_and_stopped": "`docker update` has no "
        "effect on Podman",
        "test_gpus_reach_the_engine_as_one_request": _HIDDEN,
        "test_a_workspace_with_spaces_and_colons": "Podman's API takes no path with a colon",
        "test_an_image_with_a_pipe_for_its_accounts_is_not_started": "by default Podman lets no "
        "container make device nodes, so the test's image cannot be made",
    },
}
"""Known reasons of failures that are the engine's, by the beginnings of rows, which end with `$`,
and of tests. What is said of `podman` holds for `rootless`, too."""


MESSAGES: Mapping[str, Mapping[str, str]] = {
    "podman$": {
        r"ignores device requests": _IGNORED,
        r"'commit'.*Decode\(\): EOF": "Podman 4.3 refuses the client's `docker commit`, by "
        "which tests make images",
    },
}
"""The same by what tests said, as regular expressions, where one reason is that of many tests."""


def by_name(row: str, test: str) -> str:
    """Return the known reason why a test fails on a row's engine; empty without one."""
    own = test.partition("::")[2]
    return _first(row, REASONS, own.startswith)


def by_words(row: str, said: str) -> str:
    """Return the known reason why tests that say this fail on a row's engine, or nothing."""
    return _first(row, MESSAGES, lambda words: re.search(words, said) is not None)


def _first(row: str, known: Mapping[str, Mapping[str, str]], matches: Callable[[str], bool]) -> str:
    names = (f"{row}$", f"{row.replace('rootless', 'podman')}$")
    found = (
        why
        for start, reasons in known.items()
        if any(each.startswith(start) for each in names)
        for key, why in reasons.items()
        if matches(key)
    )
    return next(found, "")
