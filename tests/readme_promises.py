"""Each sentence of the README and the tests that hold it to its word.

The keys are words of the README, so that a changed promise asks for a changed test. The values name
tests, `file::function` below `tests/`; several are separated by blanks.
"""

from __future__ import annotations

HERE = "test_readme.py::"
SMOKE = "test_smoke_run.py::"

PROMISES = {
    # Title
    "the true edit, which the embedded corpus knows": (
        "corpus/synthetic/test_build.py::test_a_counterpart_changes_the_face_and_nothing_else"
    ),
    "More: [figures/synthetic-full]": HERE + "test_links_lead_somewhere",
    "numbered notebooks that regenerate every table and figure": (
        f"{SMOKE}test_every_notebook_left_its_pages {SMOKE}test_manifest_names_what_made_every_file"
    ),
    # Two commands
    "Python 3.11, 3.12 or 3.13": HERE + "test_versions_of_python_are_those_of_the_package",
    "no conda, no GPU and no system package is needed": (
        f"{SMOKE}test_every_notebook_left_its_pages "
        "doctor/test_command.py::test_an_empty_folder_is_fine_and_every_file_says_what_it_unlocks"
    ),
    "`--help` lists the options": HERE + "test_every_command_is_understood",
    "A killed run continues where it stopped": SMOKE + "test_killed_run_goes_on_where_it_stopped",
    "a second run repeats only what changed": (
        f"{SMOKE}test_second_run_repeats_nothing "
        "test_reproduce.py::test_run_then_unchanged_then_damaged_output"
    ),
    "After the set-up nothing needs a network": (
        f"{SMOKE}test_nothing_of_all_this_asked_for_the_network "
        "test_environment.py::test_what_stands_is_taken_as_it_is "
        "offline/test_network.py::test_attempts_fail_and_are_named "
        "offline/test_commands.py::test_no_command_asks_for_the_network"
    ),
    "Your first edit, which needs no run": (
        "edit/test_models.py::test_without_models_the_shipped_manipulator_is_taken "
        "weights/test_shipped.py::test_what_is_shipped_is_whole"
    ),
    # What you get
    "figures (PDF, PNG": "figures/test_save.py::test_files_are_whole_and_reproducible",
    "`tables/` (CSV, TeX, Markdown)": "evaluation/test_tables.py::test_files_hold_the_table",
    "`manifest.json` with the provenance of every file": (
        f"{SMOKE}test_manifest_names_what_made_every_file "
        "test_workspace.py::test_figures_and_tables_get_a_row_of_provenance"
    ),
    "`index.html`, one page": (
        "report/test_page.py::test_every_link_leads_somewhere_and_every_picture_has_words"
    ),
    "Step through the notebooks": HERE + "test_every_command_is_understood",
    "whether a fresh run moved away from the committed results": (
        "drift/test_check.py::test_planted_drift_is_found_and_noise_is_not "
        "drift/test_check.py::test_command_compares_with_the_last_commit"
    ),
    # Your own recordings
    "the processed layout of ASCCL": (
        "corpus/recordings/test_survey.py::test_each_layout_gives_a_corpus "
        "corpus/recordings/test_mead.py::test_released_layout "
        "corpus/recordings/test_ravdess.py::test_every_emotion_and_statement"
    ),
    "any folder with a `clips.csv`": "corpus/recordings/test_table.py::test_rows",
    "never written to": (
        "corpus/recordings/test_listing.py::test_recordings_are_only_read "
        "corpus/recordings/test_stages.py::test_a_folder_of_own_clips"
    ),
    "Actors, references and test clips of MEAD are the papers'": (
        "corpus/test_published_protocol.py::test_roles_of_mead_are_those_of_the_papers "
        "corpus/test_protocol.py::test_mead_takes_cross_references_from_the_published_map "
        "corpus/test_protocol.py::"
        "test_mead_holds_back_the_numbers_that_the_papers_test_with"
    ),
    "Damaged clips are listed with reasons": (
        "face/test_stage.py::test_the_stage_lists_damaged_clips_and_resumes "
        "corpus/recordings/test_listing.py::test_damage_is_kept_in_the_list"
    ),
    "a killed run goes on": (
        "face/test_stage.py::test_a_run_killed_at_random_moments_ends_as_one_left_alone"
    ),
    "Several machines": (
        "workflow/test_workflow.py::test_one_job_an_actor_and_one_an_actor_and_method"
    ),
    "measures first and says how many hours and gigabytes": (
        "face/test_cost.py::test_frames_disk_and_hours_are_projected_from_what_was_measured"
    ),
    "Recordings have no exact truth": (
        "corpus/recordings/test_stages.py::test_a_folder_of_own_clips"
    ),
    # Edit your own video
    "Any length (memory does not grow with it)": (
        "edit/test_memory.py::test_four_times_the_frames_take_no_more_memory "
        "edit/test_video.py::test_odd_sizes_and_rotation_flags "
        "edit/test_video.py::test_variable_frame_rate_keeps_its_time "
        "edit/test_video.py::test_large_frames_are_tracked_small_and_blended_in_full"
    ),
    "from ten frames on": ("edit/test_video.py::test_pictures_without_a_face_or_of_too_few_frames"),
    "Of several faces the largest is edited": (
        "edit/test_video.py::test_the_chosen_person_is_edited_and_the_other_stays "
        "edit/tracking/test_follow.py::test_the_largest_face_or_the_one_that_is_wished_from_the_left"
    ),
    "frames without it stay as they are": (
        "edit/test_video.py::test_frames_in_which_the_face_is_gone_stay"
    ),
    "as does every pixel outside the face": (
        "edit/moving/test_move.py::test_bytes_beyond_the_reach_of_the_face_stay "
        "edit/test_pictures.py::test_background_stays_bit_for_bit_outside_the_mask"
    ),
    "`--compare` adds a video of source and result": (
        "edit/test_comparison.py::test_comparison_has_every_panel_every_frame_and_the_sound"
    ),
    "equal codes give the frame itself": (
        "edit/moving/test_move.py::test_equal_codes_give_the_very_frames "
        "edit/moving/test_move.py::test_the_edit_looks_as_the_corpus_draws_it"
    ),
    "or from another frame of the clip that is as open": (
        "edit/moving/test_move.py::"
        "test_a_mouth_opened_more_than_shown_takes_another_frame_of_the_clip"
    ),
    "what is held before it": "edit/moving/test_move.py::test_a_hand_before_the_face_stays",
    "`--emotion neutral` takes an expression off": (
        "edit/test_video.py::test_no_run_is_needed_and_an_expression_can_be_taken_off"
    ),
    "All models come with the package": (
        "edit/test_video.py::test_no_run_is_needed_and_an_expression_can_be_taken_off "
        "edit/test_models.py::test_without_models_the_shipped_manipulator_is_taken "
        "edit/test_video.py::test_missing_and_foreign_models_are_named"
    ),
    "`--renderer ned` draws with NED's neural renderer instead": (
        "edit/test_video.py::test_neds_renderer_is_adapted_and_goes_on_after_a_kill"
    ),
    "another emotion of the same clip takes seconds": (
        "edit/test_video.py::test_a_second_edit_only_renders"
    ),
    "Sound is copied bit by bit": (
        "media/test_video.py::test_copied_sound_is_bit_exact_and_in_place "
        "media/test_mux.py::test_sound_that_mp4_cannot_hold_is_encoded_in_place "
        f"{SMOKE}test_edit_keeps_rate_length_and_sound"
    ),
    "says in its metadata that it is manipulated, and how": (
        "edit/test_video.py::test_result_keeps_rate_length_and_sound_and_says_what_it_is"
    ),
    # The metrics in your own model
    "`TemporalCoherence` and `SpatialTemporalCoherence` take windows": (
        "correlation/test_temporal.py::test_supervision_moves_the_generated_side_only "
        "correlation/crossmodal/test_model.py::"
        "test_supervision_gives_the_generated_side_a_gradient_and_leaves_the_metric_alone "
        f"{HERE}test_names_in_code_exist"
    ),
    "The metrics are frozen when loaded": (
        f"{HERE}test_the_metrics_block_runs_as_it_stands "
        "correlation/test_temporal.py::test_checkpoint_gives_the_same_metric_back "
        "correlation/crossmodal/test_model.py::"
        "test_a_saved_metric_comes_back_frozen_with_its_settings"
    ),
    "come learned ([spfem/weights]": (
        "weights/test_shipped.py::test_each_card_says_how_to_load_its_model "
        "weights/test_remake.py::test_a_remake_follows_the_same_recipe"
    ),
    "swapped arguments are an error": (
        "correlation/test_spatial.py::test_swapped_arguments_are_an_error "
        "correlation/crossmodal/test_model.py::test_swapped_arguments_are_an_error "
        f"{HERE}test_swapped_windows_are_an_error"
    ),
    "load torch and numpy only": (
        "test_repository.py::test_contribution_imports_torch_and_numpy_only"
    ),
    # Published weights and licensed files
    "are read without running code they may hold": (
        "flame/test_pickles.py::test_code_is_refused_by_name_and_never_runs "
        "correlation/test_released.py::test_wrong_file_types_are_refused_in_words "
        "manipulator/test_released.py::test_pickles_that_could_run_code_are_refused "
        "renderer/test_released.py::test_other_files_are_refused "
        "face/test_segmenter_file.py::test_missing_files_and_pickles_are_refused"
    ),
    "goes from frames to codes and back to condition images": (
        "flame/test_route.py::test_codes_are_what_the_encoders_say_of_the_crop "
        "flame/test_route.py::test_pictures_show_a_face_at_its_landmarks"
    ),
    "with your own VGG19 file the renderer gets its perceptual loss": (
        "renderer/test_stage.py::test_the_users_own_vgg19_is_used_where_it_is_named"
    ),
    "None of these files is needed for anything else": (
        "doctor/test_command.py::test_an_empty_folder_is_fine_and_every_file_says_what_it_unlocks "
        "test_parity_coverage.py::test_every_recorded_case_is_covered"
    ),
    "times our steps against literal versions": (
        "benchmarks/test_benchmarks.py::test_every_bench_runs_on_tiny_work "
        "benchmarks/test_benchmarks.py::test_the_command_writes_the_table"
    ),
    "proves and times everything on a GPU": (
        "gpu/test_rehearsal.py::test_the_whole_run_passes_on_a_processor "
        "gpu/test_right.py::test_a_gpu_computes_what_the_processor_does"
    ),
    # What the default run is, and is not
    "the true edit of every clip is known": (
        "corpus/synthetic/test_build.py::"
        "test_the_corpus_has_every_clip_and_counterpart_in_its_place"
    ),
    "its numbers are never comparable with published ones": (
        "paper/test_check.py::test_absolute_values_are_never_judged "
        "report/test_page.py::test_rows_of_published_numbers_are_marked"
    ),
    "each named in the tables": SMOKE + "test_main_results_have_every_cell",
    "your own ArcFace (ONNX) and `syncnet_v2.model` can take their places": (
        "evaluation/test_arcface.py::test_embeddings_are_those_of_the_file "
        "evaluation/lip_sync/test_released.py::test_a_clip_is_measured_and_a_short_one_is_not"
    ),
    "`--scale paper` has the published sizes": (
        "test_settings.py::test_paper_has_the_published_sizes"
    ),
    '`compat="upstream"` reproduces the released arithmetic': (
        "correlation/test_spatial.py::"
        "test_all_released_behaviours_by_name_are_the_released_arithmetic "
        "correlation/test_parity.py::test_recorded_outputs"
    ),
    "their layouts are tested on folders made up": (
        "corpus/recordings/test_survey.py::test_each_layout_gives_a_corpus"
    ),
    "MEAD and RAVDESS are not redistributed": HERE + "test_no_recording_is_redistributed",
    "Faces are rendered at 96 pixels at demo scale": (
        HERE + "test_faces_of_the_demo_have_the_size_that_is_told "
        "edit/moving/test_gather.py::test_what_a_clip_never_shows_is_as_bright_as_the_face"
    ),
    "explores two own clips with them": ("explore/test_own_clips.py::test_own_clips_need_no_run"),
    # Can you trust it?
    "Every promise on this page has a test": (
        f"{HERE}test_every_sentence_has_a_test {HERE}test_the_tests_that_are_named_exist"
    ),
    "give the same bytes: corpus, tracks, models, figures, tables and edited videos": (
        "test_same_bytes.py::test_corpus test_same_bytes.py::test_faces "
        "test_same_bytes.py::test_stage test_same_bytes.py::test_figures_and_tables "
        "test_same_bytes.py::test_edited_video"
    ),
    "Stages know what made them": (
        "test_artifacts.py::test_stage_is_reused_resumed_and_remade "
        "test_artifacts.py::test_each_part_of_the_key_counts "
        "test_artifacts.py::test_source_digest_counts_code_not_words"
    ),
    "`manifest.json` names the source of every file": (
        SMOKE + "test_manifest_names_what_made_every_file"
    ),
    "reports environment, files, licences, devices and disk": (
        "doctor/test_machine.py::test_this_machine_can_run_the_tests "
        f"{HERE}test_doctor_reports_what_is_promised"
    ),
    "Packages are pinned": "test_repository.py::test_pins_agree_with_the_constraints",
    "The public surface is frozen": (
        f"api/test_surface.py::test_the_surface_is_the_frozen_one {HERE}test_links_lead_somewhere"
    ),
    # Papers, licence
    "please cite the work that it reproduces": "test_companions.py::test_papers_agree",
    "NED: Paraperas Papantoniou": "test_companions.py::test_papers_agree",
    "ASCCL: Chen et al.": "test_companions.py::test_papers_agree",
    "STCCL: Chen et al.": "test_companions.py::test_papers_agree",
    "SCMCL: Learning Symmetrical": "test_companions.py::test_papers_agree",
    "The code is MIT": "test_companions.py::test_licence_and_version_agree",
    "The head's shape data": HERE + "test_licences_of_what_is_shipped",
}

NO_TEST = {
    "Speech-preserving facial expression manipulation, reproduced end to end": "the title",
    "Rows: the source, its edit by NED's manipulator": "a caption; the picture names its rows",
    "`run_all.sh --scale smoke` takes about ten minutes": "a time; every run prints its seconds",
    "Departures from the papers and defects": "docstrings; a person must judge them",
    "No published user study, ArcFace or SyncNet number is ours": "about what was not done",
    "Edit faces only with the consent": "asked of the reader",
}
