"""Tables, migrations and every SQL statement of the program.

What begins a transaction raises ``DatabaseUnavailable`` when the database does not answer. What is given a connection
is part of its caller's transaction.

A request is due when ``published_version < desired_version`` and it has not ended. A published request gets the version
that was read before it was rendered, so later changes remain due. Its states, by kind, delivery mode and card:

=============  ========  =========  ==========================  =====================================================
kind           mode      answer_id  card_state                  changed by, found by
=============  ========  =========  ==========================  =====================================================
images         card      NULL       NULL                        ``insert_requests``; ``due_requests``, blocked by an
                                                                older unanswered request of its chat; not claimable
images         card      set        queued                      ``mark_published``; ``queued_cards`` when its position
                                                                changes; claimable by ``next_waiting``
images         card      set        backing_off                 ``push_back``; ``due_requests``
images         card      set        generating                  ``claim_slot``; ``due_requests``
images         card      set        result, failed, cancelled   ``mark_published`` with ``last``, which ends it;
                                                                ``reopen`` and ``resume_images`` reopen it
images         messages  NULL       any                         a rejected card; never blocked, claimable without a
                                                                card; silent until all images have ended
images         messages  old card   any                         a rejected PATCH; the same, then a pointer on the card
all others     any       NULL, set  name of the command         ``insert_requests``; ``due_requests``; sent once
any            any       any        any                         ended by ``give_up``, ``cancel_recalled``, ``forget``;
                                                                deleted by ``delete_old_rows``
=============  ========  =========  ==========================  =====================================================

``attempts`` counts rejected sends, ``stalled_attempts`` claims without progress.

A generation is ``waiting`` until ``claim_slot``, ``generating`` until ``made``, ``push_back`` or ``fail``, ``made``
(paid for; found by ``made_ids``) until ``done`` or ``fail``. One ``generating`` under a lease that has run out is
found by ``recover_lost_calls`` and called once more. ``cancel`` ends any of them; an image that comes all the same is
offered for a day, and becomes ``made`` by ``resume_images``.
"""
